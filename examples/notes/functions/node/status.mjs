// GET /status: for machines that sign with SigV4. Says who is asking.
import { answer } from './aws.mjs';

export const handler = async (event) => answer(200, { caller: event.requestContext.identity.userArn });
