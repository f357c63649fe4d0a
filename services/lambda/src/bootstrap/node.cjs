// Runs a Node.js function: loads its handler, then asks the Runtime API for one request after another.

'use strict';

const fs = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { Writable } = require('node:stream');
const { pathToFileURL } = require('node:url');
const util = require('node:util');

const { call, Upload } = require('./client.cjs');

let requestId = '';
/** The stream of an answer that is being streamed. */
let current;

// ---- the log ----------------------------------------------------------------------------------------------------------

const writeOut = process.stdout.write.bind(process.stdout);

const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'];
/** Which of the levels goes to a log of JSON, at least; undefined where the log is text. */
let leastLevel;

/** As the function's owner wants the log, once this is known. */
function setUpLog() {
  if (process.env.AWS_LAMBDA_LOG_FORMAT !== 'JSON') return;
  leastLevel = Math.max(LEVELS.indexOf(process.env.AWS_LAMBDA_LOG_LEVEL ?? 'INFO'), 0);
}

const ofError = (error) => ({
  errorType: error.constructor?.name ?? 'Error', errorMessage: error.message, stackTrace: String(error.stack ?? '').split('\n'),
});

function jsonLine(level, values) {
  const line = { timestamp: new Date().toISOString(), level, requestId: requestId || undefined };
  if (values.length === 1) {
    // A value alone stays what it is.
    try {
      [line.message] = values;
      return JSON.stringify(line, (_name, value) => (util.types.isNativeError(value) ? { ...ofError(value), ...value } : value));
    } catch { /* what has no form in JSON is written as text */ }
  }
  line.message = util.format(...values);
  const error = values.slice(1).find((value) => util.types.isNativeError(value));
  return JSON.stringify(error ? { ...line, ...ofError(error) } : line);
}

function logLine(level, ...values) {
  if (leastLevel !== undefined) {
    if (LEVELS.indexOf(level) >= leastLevel) writeOut(`${jsonLine(level, values)}\n`);
    return;
  }
  const id = requestId || 'undefined';
  const text = util.format(...values).replaceAll('\n', '\r');
  writeOut(`${new Date().toISOString()}\t${id}\t${level}\t${text}\n`);
}

for (const [method, level] of Object.entries({
  log: 'INFO', info: 'INFO', warn: 'WARN', error: 'ERROR', debug: 'DEBUG', trace: 'TRACE', fatal: 'FATAL',
})) {
  console[method] = (...values) => logLine(level, ...values);
}

// ---- failures ---------------------------------------------------------------------------------------------------------

class StartFailure extends Error {
  constructor(kind, text) {
    super(text);
    this.name = kind;
  }
}

function reportOf(error) {
  if (util.types.isNativeError(error) || (error && error.name && error.message && error.stack)) {
    return {
      errorType: String(error.name), errorMessage: String(error.message),
      trace: String(error.stack ?? '').split('\n'),
    };
  }
  let text = '';
  try { text = String(error); } catch { text = 'a value without text'; }
  return { errorType: typeof error, errorMessage: text, trace: [] };
}

const headerText = (text) => text.replace(/[^\x20-\x7e]/g, '?');

function sendReport(where, report, lone = false) {
  const kind = headerText(report.errorType);
  return call('POST', where, JSON.stringify(report), { 'Lambda-Runtime-Function-Error-Type': kind }, lone);
}

async function fatal(report, code) {
  if (current?.begun) {
    current.fail(report);
    await current.answered;
    process.exit(code);
  }
  const where = requestId ? `invocation/${requestId}/error` : 'init/error';
  // Not behind a request that is still open.
  try { await sendReport(where, report, true); } catch { /* the exit says enough */ }
  process.exit(code);
}

process.on('uncaughtException', (error) => {
  const report = reportOf(error);
  logLine('ERROR', 'Uncaught Exception \t%s', JSON.stringify({ ...report, stack: report.trace, trace: undefined }));
  fatal(report, 129);
});

process.on('unhandledRejection', (reason) => {
  const inner = reportOf(reason);
  const report = {
    errorType: 'Runtime.UnhandledPromiseRejection',
    errorMessage: inner.errorType === 'string' ? inner.errorMessage : `${inner.errorType}: ${inner.errorMessage}`,
    trace: inner.trace.length ? [`Runtime.UnhandledPromiseRejection: ${inner.trace[0]}`, ...inner.trace.slice(1)] : [],
  };
  logLine('ERROR', 'Unhandled Promise Rejection \t%s', JSON.stringify({ ...report, reason: inner }));
  fatal(report, 128);
});

// ---- the handler ------------------------------------------------------------------------------------------------------

const STREAMING = Symbol('streaming');
const PRELUDE = Symbol('prelude');

globalThis.awslambda = {
  streamifyResponse(handler) {
    handler[STREAMING] = true;
    return handler;
  },
  HttpResponseStream: {
    /** The answer's status and headers go before its first byte. */
    from(stream, metadata) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream[PRELUDE] = Buffer.concat([Buffer.from(JSON.stringify(metadata ?? {})), Buffer.alloc(8)]);
      return stream;
    },
  },
};

const isFile = (name) => fs.statSync(name, { throwIfNoEntry: false })?.isFile() ?? false;

/** Is a `.js` file a module of the newer kind? The nearest package.json says. */
function isModule(file) {
  for (let folder = path.dirname(file); ; folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json');
    if (isFile(manifest)) {
      try { return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module'; } catch { return false; }
    }
    if (folder === path.dirname(folder)) return false;
  }
}

async function loadModule(root, name) {
  const whole = path.resolve(root, name);
  const file = ['', '.js', '.mjs', '.cjs'].map((end) => whole + end).find(isFile);
  const require = createRequire(path.join(root, 'package.json'));
  if (file && (file.endsWith('.mjs') || (file.endsWith('.js') && isModule(file)))) {
    return import(pathToFileURL(file).href);
  }
  if (file) return require(file);
  try {
    return require(require.resolve(whole));
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
  }
  try {
    return require(require.resolve(name, { paths: [root] }));
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND' && error.message.includes(name)) {
      throw new StartFailure('Runtime.ImportModuleError',
        `Error: Cannot find module '${path.basename(name)}'\nRequire stack:\n- /var/runtime/bootstrap.cjs`);
    }
    throw error;
  }
}

async function load(root, text) {
  const slash = text.lastIndexOf('/') + 1;
  const dot = text.indexOf('.', slash);
  if (text.includes('..')) {
    throw new StartFailure('Runtime.MalformedHandlerName', `'${text}' is not a valid handler name. Use absolute paths when specifying root directories in handler names.`);
  }
  if (dot <= slash || dot === text.length - 1) {
    throw new StartFailure('Runtime.MalformedHandlerName', 'Bad handler');
  }
  let found;
  try {
    found = await loadModule(root, text.slice(0, dot));
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    if (error instanceof SyntaxError) {
      const failure = new StartFailure('Runtime.UserCodeSyntaxError', error.stack ?? error.toString());
      throw failure;
    }
    if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') {
      throw new StartFailure('Runtime.ImportModuleError', error.toString());
    }
    throw error;
  }
  const names = text.slice(dot + 1).split('.');
  const reach = (from) => names.reduce((value, name) => value?.[name], from);
  const handler = reach(found) ?? reach(found?.default);
  if (handler === undefined || handler === null) {
    throw new StartFailure('Runtime.HandlerNotFound', `${text} is undefined or not exported`);
  }
  if (typeof handler !== 'function') {
    throw new StartFailure('Runtime.HandlerNotFound', `${text} is not a function`);
  }
  return handler;
}

// ---- requests ---------------------------------------------------------------------------------------------------------

function contextOf(headers, finish) {
  const deadline = Number(headers['lambda-runtime-deadline-ms']);
  const env = process.env;
  const sent = headers['lambda-runtime-client-context'];
  let wait = true;
  const context = {
    get callbackWaitsForEmptyEventLoop() { return wait; },
    set callbackWaitsForEmptyEventLoop(value) { wait = Boolean(value); },
    functionVersion: env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: sent ? JSON.parse(sent) : undefined,
    identity: undefined,
    invokedFunctionArn: headers['lambda-runtime-invoked-function-arn'],
    awsRequestId: headers['lambda-runtime-aws-request-id'],
    getRemainingTimeInMillis: () => Math.max(deadline - Date.now(), 0),
    succeed: (value) => finish(null, value, false),
    fail: (error) => finish(error ?? new Error('handled'), undefined, false),
    done: (error, value) => finish(error, value, false),
  };
  return context;
}

/** Runs the handler; resolves with its answer, however it gives it. */
function answerOf(handler, event, headers) {
  return new Promise((resolve, reject) => {
    let settled = false;
    const idle = () => finish(null, null, false);
    const settle = (action) => {
      process.removeListener('beforeExit', idle);
      action();
    };
    const finish = (error, value, mayWait) => {
      if (settled) return;
      settled = true;
      const action = () => (error === null || error === undefined ? resolve(value) : reject(error));
      if (mayWait && context.callbackWaitsForEmptyEventLoop && (error === null || error === undefined)) {
        process.removeListener('beforeExit', idle);
        process.once('beforeExit', action);
      } else {
        settle(action);
      }
    };
    const context = contextOf(headers, finish);
    let result;
    try {
      result = handler(event, context, (error, value) => finish(error, value, true));
    } catch (error) {
      finish(error ?? new Error('null'), undefined, false);
      return;
    }
    if (typeof result?.then === 'function') {
      result.then((value) => finish(null, value, false), (error) => finish(error ?? new Error('null'), undefined, false));
    } else if (!settled) {
      // A handler that neither promises nor calls back answers null when nothing is left to do.
      process.once('beforeExit', idle);
    }
  });
}

/** The stream a streaming handler writes to: a request to the Runtime API, sent when the first byte is there. */
class ResponseStream extends Writable {
  // The request it answers, whatever request runs when it is written to.
  #id = requestId;
  #upload;

  setContentType(type) {
    this.contentType = type;
  }

  /** Resolves when the platform has taken the whole answer. */
  get answered() { return this.#upload?.answered ?? Promise.resolve(); }

  get begun() { return this.#upload !== undefined; }

  _write(piece, _encoding, done) {
    this.#begin();
    this.#upload.write(piece, done);
  }

  _final(done) {
    this.#begin();
    this.#upload.end({}, done);
  }

  /** Breaks an answer off that has begun: the report follows the bytes that are sent already. */
  fail(report) {
    this.#upload.end({
      'Lambda-Runtime-Function-Error-Type': headerText(report.errorType),
      'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(report)).toString('base64'),
    });
  }

  #begin() {
    if (this.#upload) return;
    this.#upload = new Upload(`invocation/${this.#id}/response`, {
      'Content-Type': headerText(String(this.contentType ?? 'application/octet-stream')),
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
    });
    if (this[PRELUDE]) this.#upload.write(this[PRELUDE]);
  }
}

/** Runs a streaming handler until its stream has ended. */
async function streamAnswerOf(handler, event, headers) {
  const stream = new ResponseStream();
  current = stream;
  const ended = new Promise((resolve, reject) => {
    stream.on('finish', resolve);
    stream.on('error', reject);
  });
  ended.catch(() => {});
  const context = contextOf(headers, (error) => (error ? stream.destroy(error) : stream.end()));
  try {
    await handler(event, stream, context);
    // AWS: a handler that returns before it has ended its stream leaves a stream that goes on.
    await ended;
  } catch (error) {
    if (!stream.begun) {
      // What still runs of this request writes nothing any more.
      stream.destroy();
      current = undefined;
      throw error;
    }
    logFailure(reportOf(error));
    stream.fail(reportOf(error));
    stream.destroy();
  }
  await stream.answered;
  current = undefined;
}

async function runOne(handler) {
  const next = await call('GET', 'invocation/next');
  // Whatever else this is, it is no request.
  if (next.status !== 200) throw new Error(`the Runtime API answers ${next.status}`);
  requestId = next.headers['lambda-runtime-aws-request-id'];
  const trace = next.headers['lambda-runtime-trace-id'];
  if (trace) process.env._X_AMZN_TRACE_ID = trace;
  else delete process.env._X_AMZN_TRACE_ID;
  try {
    const event = JSON.parse(next.body || '{}');
    if (handler[STREAMING]) {
      await streamAnswerOf(handler, event, next.headers);
      return;
    }
    const value = await answerOf(handler, event, next.headers);
    let body;
    try {
      body = JSON.stringify(value === undefined ? null : value) ?? 'null';
    } catch (error) {
      throw new Error('Unable to stringify response body', { cause: error });
    }
    await call('POST', `invocation/${requestId}/response`, body);
  } catch (error) {
    const report = reportOf(error);
    logFailure(report);
    await sendReport(`invocation/${requestId}/error`, report);
  }
}

function logFailure(report) {
  logLine('ERROR', 'Invoke Error \t%s',
    JSON.stringify({ errorType: report.errorType, errorMessage: report.errorMessage, stack: report.trace }));
}

/** Hands over to AWS's client, which the package brings: ours has then no part in what follows. */
async function runAwsClient() {
  const root = process.env.LAMBDA_TASK_ROOT;
  let client;
  try {
    client = await import(pathToFileURL(createRequire(path.join(root, 'package.json')).resolve('aws-lambda-ric')));
  } catch (error) {
    const text = `CASEMATE_RUNTIME_CLIENT is aws, and the package has no usable aws-lambda-ric: ${error?.message}`;
    const report = { errorType: 'Runtime.ImportModuleError', errorMessage: text, trace: [] };
    logLine('ERROR', '%s', text);
    await sendReport('init/error', report, true);
    process.exit(1);
  }
  process.removeAllListeners('uncaughtException');
  process.removeAllListeners('unhandledRejection');
  await client.run(root, process.env._HANDLER ?? '');
}

// ---- told late ----------------------------------------------------------------------------------------------------------

/**
 * Waits to be told which function this process is for. Until then it has no variables of anybody and no code. What of Node.js
 * nearly every function uses is made ready meanwhile.
 */
async function becomeFunction() {
  for (const name of ['node:http', 'node:https', 'node:crypto', 'node:zlib', 'node:url']) require(name);
  // The loader of modules is made when it is first used.
  await import('data:text/javascript,');
  await rehearse();
  const told = await call('GET', 'casemate/function');
  if (told.status !== 200) process.exit(1);
  const variables = JSON.parse(told.body);
  for (const name of Object.keys(process.env)) if (!(name in variables)) delete process.env[name];
  Object.assign(process.env, variables);
  process.chdir(process.env.LAMBDA_TASK_ROOT);
}

/** Runs what each request runs, for a handler of our own. */
async function rehearse() {
  for (const handler of [async (event) => event, (event, context) => context.done(null, event)]) {
    const value = await answerOf(handler, JSON.parse('{"a":[1]}'), {});
    JSON.stringify(value);
    headerText(util.format('%s', 'a'));
  }
}

async function main() {
  if (process.env._CASEMATE_LATE) await becomeFunction();
  setUpLog();
  if (process.env._CASEMATE_RUNTIME_CLIENT === 'aws') {
    delete process.env._CASEMATE_RUNTIME_CLIENT;
    // It goes on by itself. What it fails with is an exception for it, as where it is the main program; no forgotten promise.
    runAwsClient().catch((error) => setImmediate(() => { throw error; }));
    return;
  }
  let handler;
  try {
    handler = await load(process.env.LAMBDA_TASK_ROOT, process.env._HANDLER ?? '');
  } catch (error) {
    const report = reportOf(error);
    logLine('ERROR', 'Uncaught Exception \t%s',
      JSON.stringify({ errorType: report.errorType, errorMessage: report.errorMessage, stack: report.trace }));
    await sendReport('init/error', report, true);
    process.exit(1);
  }
  for (;;) await runOne(handler);
}

main();
