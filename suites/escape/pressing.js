// Presses on the platform, for Node.js; see pressing.py. It cannot fork.

'use strict';

const fs = require('node:fs');
const net = require('node:net');

const held = [];

function flood(event) {
  const line = 'x'.repeat(1000) + '\n';
  for (let lines = 0; lines < event.kilobytes; lines += 1) {
    let rest = line;
    while (rest.length > 0) {
      // A pipe that is full says so, and one that is nearly full takes a part.
      try { rest = rest.slice(fs.writeSync(1, rest)); } catch (error) { if (error.code !== 'EAGAIN') throw error; }
    }
  }
  return 'done';
}

async function hold(event) {
  const [host, port] = (event.api ?? process.env.AWS_LAMBDA_RUNTIME_API).split(':');
  let refused = 0;
  while (held.length < event.connections && refused < 5) {
    const made = net.connect({ host, port, timeout: 200 });
    await new Promise((done) => {
      made.on('error', () => { refused += 1; done(); });
      made.on('timeout', () => { refused += 1; made.destroy(); done(); });
      made.on('connect', () => {
        made.setTimeout(0);
        held.push(made);
        made.write('POST /2018-06-01/runtime/invocation/next HTTP/1.1\r\nhost: x\r\nx-slow: ', done);
      });
    });
  }
  return { held: held.length, refused };
}

exports.handler = async (event) => ({ flood, hold })[event.do](event);

if (require.main === module) {
  exports.handler(JSON.parse(fs.readFileSync(0, 'utf8'))).then((answer) => {
    fs.writeSync(2, JSON.stringify(answer));
    process.exit(0);
  });
}
