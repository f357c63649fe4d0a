"""POST /notes {"text": …}: makes a note of the signed-in user."""

import json
import os
import uuid

import aws


def handler(event, context):
    sub = event["requestContext"]["authorizer"]["claims"]["sub"]
    try:
        text = json.loads(event["body"] or "")["text"]
    except (ValueError, KeyError, TypeError):
        return answer(400, {"message": "the body must be {\"text\": …}"})
    if not isinstance(text, str) or not 1 <= len(text) <= 10_000:
        return answer(400, {"message": "a note has 1 to 10,000 characters"})
    note = {"owner": sub, "id": str(uuid.uuid4()), "text": text}
    item = {name: {"S": value} for name, value in note.items()}
    try:
        payload = {"TableName": os.environ["TABLE"], "Item": item}
        aws.call("dynamodb", "DynamoDB_20120810.PutItem", payload, aws.as_user(sub))
    except aws.Refused as refused:
        return answer(403, {"message": refused.code})
    return answer(201, note)


def answer(status, body):
    return {"statusCode": status, "body": json.dumps(body)}
