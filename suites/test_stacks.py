"""Identity providers and inline policies of a stack, with boto3."""

import json

import pytest
from botocore.exceptions import WaiterError

TEMPLATE = """
Parameters:
  Audience: {Type: String, Default: sts.amazonaws.com}
  PolicyName: {Type: String, Default: deploy}
Resources:
  GitHub:
    Type: AWS::IAM::OIDCProvider
    Properties:
      Url: https://token.actions.githubusercontent.com
      ClientIdList: [!Ref Audience]
  Deployer:
    Type: AWS::IAM::Role
    Properties:
      RoleName: deployer
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement:
          - Effect: Allow
            Principal: {Federated: !Ref GitHub}
            Action: sts:AssumeRoleWithWebIdentity
            Condition:
              StringEquals:
                token.actions.githubusercontent.com:aud: !Ref Audience
                token.actions.githubusercontent.com:sub: repo:me/app:ref:refs/heads/main
  Deploy:
    Type: AWS::IAM::RolePolicy
    Properties:
      RoleName: !Ref Deployer
      PolicyName: !Ref PolicyName
      PolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Action: 'lambda:UpdateFunctionCode', Resource: '*'}]
Outputs:
  Provider: {Value: !GetAtt GitHub.Arn}
  Policy: {Value: !Ref Deploy}
"""
NAMED = {"Capabilities": ["CAPABILITY_NAMED_IAM"]}


def outputs(stacks, name):
    shown = stacks.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    return {output["OutputKey"]: output["OutputValue"] for output in shown}


def test_a_role_for_github_actions_comes_changes_and_goes_with_its_stack(empty):
    stacks, iam = empty.client("cloudformation"), empty.client("iam")
    stacks.create_stack(StackName="ci", TemplateBody=TEMPLATE, **NAMED)
    stacks.get_waiter("stack_create_complete").wait(StackName="ci", WaiterConfig={"Delay": 1})
    arn = outputs(stacks, "ci")["Provider"]
    assert arn.endswith(":oidc-provider/token.actions.githubusercontent.com")
    assert outputs(stacks, "ci")["Policy"] == "deploy|deployer"
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["sts.amazonaws.com"]
    kept = iam.get_role_policy(RoleName="deployer", PolicyName="deploy")["PolicyDocument"]
    assert kept["Statement"][0]["Action"] == "lambda:UpdateFunctionCode"

    changes = [
        {"ParameterKey": "Audience", "ParameterValue": "other"},
        {"ParameterKey": "PolicyName", "ParameterValue": "renamed"},
    ]
    stacks.update_stack(StackName="ci", UsePreviousTemplate=True, Parameters=changes, **NAMED)
    stacks.get_waiter("stack_update_complete").wait(StackName="ci", WaiterConfig={"Delay": 1})
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["other"]
    assert iam.list_role_policies(RoleName="deployer")["PolicyNames"] == ["renamed"]

    stacks.delete_stack(StackName="ci")
    stacks.get_waiter("stack_delete_complete").wait(StackName="ci", WaiterConfig={"Delay": 1})
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []


def test_a_provider_that_is_there_already_is_nobodys_to_delete(empty):
    stacks, iam = empty.client("cloudformation"), empty.client("iam")
    made = iam.create_open_id_connect_provider(Url="https://token.actions.githubusercontent.com", ClientIDList=["mine"])
    stacks.create_stack(StackName="ci", TemplateBody=TEMPLATE, **NAMED)
    with pytest.raises(WaiterError):
        stacks.get_waiter("stack_create_complete").wait(StackName="ci", WaiterConfig={"Delay": 1})
    events = stacks.describe_stack_events(StackName="ci")["StackEvents"]
    assert "already exists" in json.dumps(events, default=str)
    arn = made["OpenIDConnectProviderArn"]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["mine"]
