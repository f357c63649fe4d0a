"""A TOKEN authorizer: the caller's access token must be good, and its user in the group `admins`."""

import os

import aws

PROVIDER = "AWSCognitoIdentityProviderService."


def handler(event, context):
    token = event["authorizationToken"].removeprefix("Bearer ")
    try:
        # The token itself is the right to this call, so it also proves that the token is good and not revoked.
        user = aws.call("cognito-idp", PROVIDER + "GetUser", {"AccessToken": token}, signed=False)["Username"]
    except aws.Refused:
        raise Exception("Unauthorized") from None  # this very text makes API Gateway answer 401
    question = {"UserPoolId": os.environ["USER_POOL"], "Username": user}
    groups = aws.call("cognito-idp", PROVIDER + "AdminListGroupsForUser", question)["Groups"]
    effect = "Allow" if any(group["GroupName"] == "admins" for group in groups) else "Deny"
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"]}
    return {"principalId": user, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
