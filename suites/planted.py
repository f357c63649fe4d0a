"""What the programs escape/planting.* leave for the next request, and for whom it may be there; for functions with and without machines."""

import copy
import json

# Only processes are ended with the request that made them. What else an earlier request leaves is there for the next in the same
# process, as on AWS; docs/environments.md says so.
ENDED = {"process"}


def invoked(function, event):
    answer, payload = function.invoke(event)
    assert "FunctionError" not in answer, payload
    return set(payload)


def principals(function):
    """The function, as each of two users invokes it who may."""
    iam = function.server.client("iam")
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function.arn}
    for number in range(2):
        name = f"{function.name}-{number}"
        iam.create_user(UserName=name)
        iam.put_user_policy(
            UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        key = iam.create_access_key(UserName=name)["AccessKey"]
        users = copy.copy(function)
        users.lambda_ = function.client(
            aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
        )
        yield users


def all_planted(function):
    planted = invoked(function, {"do": "plant"})
    # All of it: the program says so itself.
    assert len(planted) >= 14
    return planted


def found(function, looks):
    """What is found by the first look that finds anything, of so many: where one environment is not done with its last request, another
    may be asked."""
    for _ in range(looks):
        if there := invoked(function, {"do": "look"}):
            return there
    return set()


def stays(function, but_for, looks=1):
    assert invoked(function, {"do": "look"}) == set()
    planted = all_planted(function)
    assert found(function, looks) == planted - but_for


def stays_for_its_principal(function, but_for, looks=1):
    first, second = principals(function)
    planted = all_planted(first)
    assert invoked(second, {"do": "look"}) == set()
    assert found(first, looks) == planted - but_for
    assert invoked(second, {"do": "look"}) == set()


def is_gone(function):
    for _ in range(2):
        all_planted(function)
        assert invoked(function, {"do": "look"}) == set()
