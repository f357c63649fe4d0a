// Ways out of an execution environment, for Node.js; see probes.py.
const { execFileSync, execSync, fork } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const dgram = require('node:dgram');

function connected(options) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...options, timeout: 3000 });
    socket.on('connect', () => { socket.destroy(); resolve('connected'); });
    socket.on('timeout', () => { socket.destroy(); reject(new Error('timeout')); });
    socket.on('error', reject);
  });
}

function linked(make, event, name) {
  const link = path.join(event.tmp, name);
  fs.rmSync(link, { force: true });
  make(link);
  return fs.readFileSync(link, 'utf8');
}

const probes = {
  shell: () => execSync('echo out').toString(),
  interpreter_again: () => execFileSync(process.execPath, ['-p', '1']).toString(),
  forked: () => new Promise((resolve, reject) => {
    const child = fork(__filename, ['--nothing']);
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve('ran') : reject(new Error(`exit ${code}`))));
  }),
  file_of_the_host: (event) => fs.readFileSync(event.secret, 'utf8'),
  file_through_a_link: (event) => linked((link) => fs.symlinkSync(event.secret, link), event, 'js-link'),
  file_through_proc: (event) => fs.readFileSync(`/proc/${event.pid}/root${event.secret}`, 'utf8'),
  hard_link_to_code: (event) => linked((link) => fs.linkSync(__filename, link), event, 'js-hard').length,
  write_beside_the_code: () => fs.writeFileSync(path.join(__dirname, 'js-planted'), 'x') ?? 'written',
  write_on_the_host: (event) => fs.writeFileSync(path.join(event.outside, 'js-planted'), 'x') ?? 'written',
  environment_of_the_server: (event) => fs.readFileSync(`/proc/${event.pid}/environ`).length,
  signal_to_the_server: (event) => process.kill(event.pid, 0),
  port_of_the_host: (event) => connected({ host: '127.0.0.1', port: event.port }),
  port_of_the_host_by_its_address: (event) => connected({ host: event.address, port: event.port }),
  socket_file: (event) => connected({ path: event.socket }),
  datagram: (event) => new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    socket.on('error', reject);
    socket.send('x', event.port, event.address, (error, sent) => { socket.close(); error ? reject(error) : resolve(sent); });
  }),
  other_user: () => { if (os.userInfo().uid === 0) return process.setegid(12345) ?? process.setegid(0) ?? 'changed'; throw new Error('nobody in particular'); },
  priority: () => os.setPriority(-5) ?? 'raised',
};

exports.handler = async (event) => {
  const results = {};
  for (const name of event.probes ?? Object.keys(probes)) {
    try {
      results[name] = { reached: true, what: String(await probes[name](event)).slice(0, 200) };
    } catch (error) {
      results[name] = { reached: false, why: String(error).slice(0, 200) };
    }
  }
  return results;
};

if (require.main === module && process.argv[2] !== '--nothing') {
  exports.handler(JSON.parse(fs.readFileSync(0, 'utf8'))).then((results) => {
    console.log(JSON.stringify(results));
    process.exit(0);
  });
}
