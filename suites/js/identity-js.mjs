// amazon-cognito-identity-js: SRP sign-in, wrong password, session refresh.
import assert from 'node:assert/strict';
import identity from 'amazon-cognito-identity-js';

const { AuthenticationDetails, CognitoUser, CognitoUserPool } = identity;
const { USER_POOL_ID, CLIENT_ID, AWS_ENDPOINT_URL, NAME, PASSWORD } = process.env;
const Pool = new CognitoUserPool({ UserPoolId: USER_POOL_ID, ClientId: CLIENT_ID, endpoint: AWS_ENDPOINT_URL });

const signIn = (password) =>
  new Promise((onSuccess, onFailure) => {
    const user = new CognitoUser({ Username: NAME, Pool });
    const details = new AuthenticationDetails({ Username: NAME, Password: password });
    user.authenticateUser(details, { onSuccess: (session) => onSuccess({ user, session }), onFailure });
  });

await assert.rejects(signIn('Wrong-Horse-1!'), { code: 'NotAuthorizedException' });
const { user, session } = await signIn(PASSWORD);
assert.equal(session.getIdToken().payload.token_use, 'id');
const refreshed = await new Promise((resolve, reject) =>
  user.refreshSession(session.getRefreshToken(), (error, fresh) => (error ? reject(error) : resolve(fresh))),
);
assert.equal(refreshed.getIdToken().payload.sub, session.getIdToken().payload.sub);
