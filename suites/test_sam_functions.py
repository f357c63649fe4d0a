"""A function of a SAM template with everything SAM hangs on it: the alias answers, the URL is open through itself only, code moves both."""

import json
import urllib.request

import pytest
from botocore.exceptions import ClientError

TEMPLATE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: published
      Runtime: python3.11
      Handler: index.handler
      InlineCode: "def handler(event, context): return ['%s', context.function_version]"
      AutoPublishAlias: live
      FunctionUrlConfig: {AuthType: NONE}
      EventInvokeConfig: {MaximumRetryAttempts: 0}
Outputs:
  Url: {Value: !GetAtt FUrl.FunctionUrl}
  Alias: {Value: !Ref FAliaslive}
"""
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]


def settled(stacks, waiter):
    stacks.get_waiter(waiter).wait(StackName="published", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    outputs = stacks.describe_stacks(StackName="published")["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in outputs}


def test_the_alias_and_the_url_answer_with_the_version_that_was_published(server):
    stacks, lambda_ = server.client("cloudformation"), server.client("lambda")
    invoke = lambda name: json.load(lambda_.invoke(FunctionName=name)["Payload"])
    stacks.create_stack(StackName="published", TemplateBody=TEMPLATE % "one", Capabilities=CAPABILITIES)
    outputs = settled(stacks, "stack_create_complete")
    host = outputs["Url"].split("/")[2]

    def fetched():
        request = urllib.request.Request(server.endpoint, headers={"Host": host})
        return json.load(urllib.request.urlopen(request, timeout=30))

    assert invoke(outputs["Alias"]) == ["one", "1"]
    assert fetched() == ["one", "1"]
    config = lambda_.get_function_event_invoke_config(FunctionName="published", Qualifier="live")
    assert config["MaximumRetryAttempts"] == 0

    stacks.update_stack(StackName="published", TemplateBody=TEMPLATE % "two", Capabilities=CAPABILITIES)
    settled(stacks, "stack_update_complete")
    assert invoke(outputs["Alias"]) == ["two", "2"]
    assert fetched() == ["two", "2"]
    assert invoke(outputs["Alias"].rsplit(":", 1)[0] + ":1") == ["one", "1"], "what was published stays"

    stacks.delete_stack(StackName="published")
    stacks.get_waiter("stack_delete_complete").wait(StackName="published", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    with pytest.raises(ClientError):
        lambda_.invoke(FunctionName="published", Qualifier="live")


def test_a_gradual_deployment_is_refused_and_nothing_is_made(server):
    stacks = server.client("cloudformation")
    template = TEMPLATE % "one"
    template = template.replace("      AutoPublishAlias", "      DeploymentPreference: {Type: AllAtOnce}\n      AutoPublishAlias")
    with pytest.raises(ClientError, match="DeploymentPreference is not supported"):
        stacks.create_stack(StackName="gradual", TemplateBody=template, Capabilities=CAPABILITIES)
    with pytest.raises(ClientError, match="does not exist"):
        stacks.describe_stacks(StackName="gradual")
