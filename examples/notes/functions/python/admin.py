"""GET /admin: figures for members of `admins`. The role may describe the table; reading it is nobody's job here."""

import json
import os

import aws


def handler(event, context):
    table = aws.call("dynamodb", "DynamoDB_20120810.DescribeTable", {"TableName": os.environ["TABLE"]})["Table"]
    figures = {"items": table["ItemCount"], "status": table["TableStatus"]}
    return {"statusCode": 200, "body": json.dumps(figures)}
