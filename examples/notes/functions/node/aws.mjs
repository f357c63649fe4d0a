// A few AWS calls without an SDK: signs with Signature Version 4, Node's own modules only.
import { createHash, createHmac } from 'node:crypto';
import { request } from 'node:http';

/** The service said no. */
export class Refused extends Error {
  constructor(code, message) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

const environment = process.env;
const own = () => ({
  key: environment.AWS_ACCESS_KEY_ID,
  secret: environment.AWS_SECRET_ACCESS_KEY,
  token: environment.AWS_SESSION_TOKEN,
});
const sha256 = (text) => createHash('sha256').update(text).digest('hex');

function sign(service, headers, body, { key, secret, token }) {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const signed = { ...headers, 'x-amz-date': stamp, 'x-amz-security-token': token };
  const names = Object.keys(signed).sort();
  const lines = names.map((name) => `${name}:${signed[name]}`);
  const canonical = ['POST', '/', '', ...lines, '', names.join(';'), sha256(body)].join('\n');
  const scope = `${stamp.slice(0, 8)}/${environment.AWS_REGION}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', stamp, scope, sha256(canonical)].join('\n');
  const derived = scope.split('/').reduce((from, part) => createHmac('sha256', from).update(part).digest(), `AWS4${secret}`);
  const signature = createHmac('sha256', derived).update(text).digest('hex');
  signed.authorization = `AWS4-HMAC-SHA256 Credential=${key}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return signed;
}

function send(service, headers, body, credentials) {
  const endpoint = new URL(environment.AWS_ENDPOINT_URL);
  const signed = sign(service, { ...headers, host: endpoint.host }, body, credentials);
  return new Promise((resolve, reject) => {
    const call = request(endpoint, { method: 'POST', headers: signed, timeout: 8000 }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (piece) => (text += piece));
      answer.on('end', () => (answer.statusCode < 300 ? resolve(text) : reject(refusal(text))));
    });
    call.on('timeout', () => call.destroy(new Error('timeout')));
    call.on('error', reject);
    call.end(body);
  });
}

function refusal(text) {
  try {
    const said = JSON.parse(text);
    return new Refused(String(said.__type).split('#').pop(), said.message ?? said.Message);
  } catch {
    return new Refused(element(text, 'Code'), element(text, 'Message'));
  }
}

const element = (text, name) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? '';

/** A DynamoDB call, e.g. table('Query', {...}, credentials). */
export async function table(operation, payload, credentials = own()) {
  const headers = { 'content-type': 'application/x-amz-json-1.0', 'x-amz-target': `DynamoDB_20120810.${operation}` };
  const body = JSON.stringify({ TableName: environment.TABLE, ...payload });
  return JSON.parse(await send('dynamodb', headers, body, credentials));
}

/** Credentials of the user role, tagged with the user: all they can reach is that user's items. */
export async function asUser(sub) {
  const query = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: environment.USER_ROLE,
    RoleSessionName: sub,
    DurationSeconds: '900',
    'Tags.member.1.Key': 'user',
    'Tags.member.1.Value': sub,
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const text = await send('sts', headers, query.toString(), own());
  return {
    key: element(text, 'AccessKeyId'),
    secret: element(text, 'SecretAccessKey'),
    token: element(text, 'SessionToken'),
  };
}

/** An answer to API Gateway. */
export const answer = (statusCode, body) => ({ statusCode, body: JSON.stringify(body) });
