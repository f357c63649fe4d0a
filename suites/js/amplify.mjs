// aws-amplify in plain Node: SRP sign-in, refresh (GetTokensFromRefreshToken), wrong password.
import assert from 'node:assert/strict';
import { Amplify } from 'aws-amplify';
import { fetchAuthSession, signIn, signOut } from 'aws-amplify/auth';
import { cognitoUserPoolsTokenProvider } from 'aws-amplify/auth/cognito';

const { USER_POOL_ID, CLIENT_ID, AWS_ENDPOINT_URL, NAME, PASSWORD } = process.env;
const stored = new Map();
cognitoUserPoolsTokenProvider.setKeyValueStorage({
  setItem: async (key, value) => void stored.set(key, value),
  getItem: async (key) => stored.get(key) ?? null,
  removeItem: async (key) => void stored.delete(key),
  clear: async () => stored.clear(),
});
Amplify.configure({
  Auth: { Cognito: { userPoolId: USER_POOL_ID, userPoolClientId: CLIENT_ID, userPoolEndpoint: AWS_ENDPOINT_URL } },
});

const options = { authFlowType: 'USER_SRP_AUTH' };
await assert.rejects(signIn({ username: NAME, password: 'Wrong-Horse-1!', options }), { name: 'NotAuthorizedException' });
const result = await signIn({ username: NAME, password: PASSWORD, options });
assert.equal(result.nextStep.signInStep, 'DONE');
const first = await fetchAuthSession();
assert.equal(first.tokens.idToken.payload.token_use, 'id');
const second = await fetchAuthSession({ forceRefresh: true });
assert.equal(second.tokens.accessToken.payload.sub, first.tokens.accessToken.payload.sub);
assert.notEqual(second.tokens.accessToken.toString(), first.tokens.accessToken.toString());
await signOut();
