"""DELETE /notes/{id}?owner=…: deletes a note.

The owner is taken from the request without a check, on purpose: the session's policy allows the user's own items only.
"""

import json
import os

import aws


def handler(event, context):
    sub = event["requestContext"]["authorizer"]["claims"]["sub"]
    owner = (event["queryStringParameters"] or {}).get("owner", sub)
    key = {"owner": {"S": owner}, "id": {"S": event["pathParameters"]["id"]}}
    try:
        payload = {"TableName": os.environ["TABLE"], "Key": key, "ReturnValues": "ALL_OLD"}
        gone = aws.call("dynamodb", "DynamoDB_20120810.DeleteItem", payload, aws.as_user(sub))
    except aws.Refused as refused:
        return answer(403, {"message": refused.code})
    if not gone.get("Attributes"):
        return answer(404, {"message": "no such note"})
    return answer(200, {"deleted": event["pathParameters"]["id"]})


def answer(status, body):
    return {"statusCode": status, "body": json.dumps(body)}
