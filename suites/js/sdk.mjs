// AWS SDK for JavaScript v3: one service of each protocol.
import assert from 'node:assert/strict';
import { CognitoIdentityProviderClient, DescribeUserPoolCommand } from '@aws-sdk/client-cognito-identity-provider';
import { DynamoDBClient, DescribeTableCommand, ListTablesCommand } from '@aws-sdk/client-dynamodb';
import { LambdaClient, GetFunctionCommand, ListFunctionsCommand } from '@aws-sdk/client-lambda';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

const configuration = { region: 'us-east-1', endpoint: process.env.AWS_ENDPOINT_URL, maxAttempts: 1 };

const identity = await new STSClient(configuration).send(new GetCallerIdentityCommand({}));
assert.match(identity.Arn, /:root$/);

const pools = new CognitoIdentityProviderClient(configuration);
const { UserPool } = await pools.send(new DescribeUserPoolCommand({ UserPoolId: process.env.USER_POOL_ID }));
assert.equal(UserPool.Id, process.env.USER_POOL_ID);

const tables = new DynamoDBClient(configuration);
const { TableNames } = await tables.send(new ListTablesCommand({}));
assert.ok(TableNames.length >= 1);
await assert.rejects(tables.send(new DescribeTableCommand({ TableName: 'nothing-here' })), {
  name: 'ResourceNotFoundException',
});

const functions = new LambdaClient(configuration);
assert.ok((await functions.send(new ListFunctionsCommand({}))).Functions.length >= 1);
await assert.rejects(functions.send(new GetFunctionCommand({ FunctionName: 'nothing-here' })), {
  name: 'ResourceNotFoundException',
});

const wrong = { accessKeyId: 'AKIAAAAAAAAAAAAAAAAA', secretAccessKey: 'x'.repeat(40) };
await assert.rejects(new STSClient({ ...configuration, credentials: wrong }).send(new GetCallerIdentityCommand({})), {
  name: 'InvalidClientTokenId',
});
