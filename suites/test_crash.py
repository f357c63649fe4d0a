"""kill -9 in mid-load: what was acknowledged is there after a restart."""

import threading

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from conftest import Server
from functions import Function
from test_chaos import counted, counting, wait_until


def test_acknowledged_writes_survive(tmp_path):
    server = Server(tmp_path / "data").start()
    dynamodb = server.client("dynamodb")
    dynamodb.create_table(
        TableName="items", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    acknowledged, enough = [], threading.Event()

    def write(worker):
        client = server.client("dynamodb")
        try:
            for number in range(100_000):
                client.put_item(TableName="items", Item={"pk": {"S": f"{worker}-{number}"}, "n": {"N": str(number)}})
                acknowledged.append((f"{worker}-{number}", number))
                if len(acknowledged) >= 600:
                    enough.set()
        except (BotoCoreError, ClientError):
            pass

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(6)]
    [writer.start() for writer in writers]
    assert enough.wait(60)
    server.kill()
    [writer.join(30) for writer in writers]
    again = Server(tmp_path / "data", port=server.port).start()
    try:
        client = again.client("dynamodb")
        for key, number in acknowledged:
            found = client.get_item(TableName="items", Key={"pk": {"S": key}}, ConsistentRead=True)
            assert found["Item"]["n"] == {"N": str(number)}, key
        assert "chain intact" in again.casemate("log", "verify").stdout
    finally:
        again.stop()


def test_accepted_events_survive_and_are_done_at_least_once(tmp_path):
    """Some are done when the server is killed, one or two are running, most wait for their turn."""
    server = Server(tmp_path / "data").start()
    function = counting(server, Function)
    server.client("lambda").put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=2)
    accepted, enough = [], threading.Event()

    def send(sender):
        client = server.client("lambda")
        try:
            for number in range(100_000):
                event = f"{sender}-{number}"
                answer = client.invoke(FunctionName=function.name, InvocationType="Event", Payload=f'{{"id": "{event}"}}')
                assert answer["StatusCode"] == 202
                accepted.append(event)
                if len(accepted) >= 200:
                    enough.set()
        except (BotoCoreError, ClientError):
            pass

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    [sender.start() for sender in senders]
    assert enough.wait(60)
    wait_until(lambda: counted(server), "none was done before the server was killed")
    server.kill()
    [sender.join(30) for sender in senders]
    again = Server(tmp_path / "data", port=server.port).start()
    try:
        assert len(counted(again)) < len(accepted), "none was left to be done"
        done = lambda: set(accepted) <= set(counted(again))
        wait_until(done, "accepted and not done", 240)
        assert "chain intact" in again.casemate("log", "verify").stdout
    finally:
        again.stop()


def test_sessions_and_lockouts_survive(tmp_path):
    server = Server(tmp_path / "data").start()
    idp = server.client("cognito-idp")
    pool = idp.create_user_pool(PoolName="p")["UserPool"]["Id"]
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
    client_id = idp.create_user_pool_client(UserPoolId=pool, ClientName="c", ExplicitAuthFlows=flows)["UserPoolClient"]["ClientId"]
    for name in ("ann", "ben"):
        idp.admin_create_user(UserPoolId=pool, Username=name, MessageAction="SUPPRESS")
        idp.admin_set_user_password(UserPoolId=pool, Username=name, Password="Correct-Horse-1!", Permanent=True)
    sign_in = lambda client, name, password: client.admin_initiate_auth(
        UserPoolId=pool, ClientId=client_id, AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": name, "PASSWORD": password},
    )
    refresh = sign_in(idp, "ann", "Correct-Horse-1!")["AuthenticationResult"]["RefreshToken"]
    locked = False
    for _ in range(12):
        with pytest.raises(ClientError) as refused:
            sign_in(idp, "ben", "Wrong-Horse-1!")
        locked = "Password attempts exceeded" in str(refused.value)
    assert locked
    server.kill()
    again = Server(tmp_path / "data", port=server.port).start()
    try:
        idp = again.client("cognito-idp")
        answer = idp.admin_initiate_auth(
            UserPoolId=pool, ClientId=client_id, AuthFlow="REFRESH_TOKEN_AUTH", AuthParameters={"REFRESH_TOKEN": refresh}
        )
        assert answer["AuthenticationResult"]["IdToken"]
        with pytest.raises(ClientError) as refused:
            sign_in(idp, "ben", "Wrong-Horse-1!")
        assert refused.value.response["Error"]["Code"] == "NotAuthorizedException"
    finally:
        again.stop()
