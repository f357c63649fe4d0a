// POST /notes/{id}/share {"with": sub}: puts a copy of one of the user's notes into another user's inbox.
import { answer, asUser, Refused, table } from './aws.mjs';

const SUB = /^[0-9a-f-]{36}$/;

export const handler = async (event) => {
  const { sub } = event.requestContext.authorizer.claims;
  const other = recipient(event.body);
  if (!other) return answer(400, { message: 'the body must be {"with": <the sub of a user>}' });
  try {
    const user = await asUser(sub);
    const key = { owner: { S: sub }, id: { S: event.pathParameters.id } };
    const { Item } = await table('GetItem', { Key: key }, user);
    if (!Item) return answer(404, { message: 'no such note' });
    const copy = { ...Item, owner: { S: `inbox#${other}` }, id: { S: `${sub}#${Item.id.S}` }, from: { S: sub } };
    await table('PutItem', { Item: copy }, user);
    return answer(200, { shared: Item.id.S, with: other });
  } catch (error) {
    if (error instanceof Refused) return answer(403, { message: error.code });
    throw error;
  }
};

function recipient(body) {
  try {
    const other = JSON.parse(body).with;
    return SUB.test(other) ? other : undefined;
  } catch {
    return undefined;
  }
}
