// GET /notes: the signed-in user's notes, and those that others have shared.
import { answer, asUser, Refused, table } from './aws.mjs';

export const handler = async (event) => {
  const { sub } = event.requestContext.authorizer.claims;
  try {
    const user = await asUser(sub);
    const [notes, shared] = await Promise.all([of(sub, user), of(`inbox#${sub}`, user)]);
    return answer(200, { notes, shared });
  } catch (error) {
    if (error instanceof Refused) return answer(403, { message: error.code });
    throw error;
  }
};

async function of(owner, user) {
  const query = { KeyConditionExpression: '#o = :o', ExpressionAttributeNames: { '#o': 'owner' } };
  const { Items } = await table('Query', { ...query, ExpressionAttributeValues: { ':o': { S: owner } } }, user);
  return Items.map((item) => Object.fromEntries(Object.entries(item).map(([name, value]) => [name, value.S])));
}
