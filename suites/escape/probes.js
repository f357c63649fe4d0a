// Ways out of an execution environment, for Node.js; see probes.py.
const { execFileSync, execSync, fork } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const dgram = require('node:dgram');
const http = require('node:http');
const { Worker } = require('node:worker_threads');

const LOADER = '/lib64/ld-linux-x86-64.so.2';
// A program that says "out" and ends, of 154 bytes: the interpreter has a hundred million.
const PROGRAM = Buffer.from(
  'f0VMRgIBAQAAAAAAAAAAAAIAPgABAAAAeABAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAEAAOAABAAAAAAAAAAEAAAAFAAAAAAAAAAAAAAAAAEAAAAAAAAAA'
  + 'QAAAAAAAmgAAAAAAAACaAAAAAAAAAAAQAAAAAAAAvwEAAABIjTUSAAAAugQAAACJ+A8FuDwAAAAx/w8Fb3V0Cg==',
  'base64',
);

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

function asked(event, method, where) {
  const [host, port] = (event.api ?? process.env.AWS_LAMBDA_RUNTIME_API).split(':');
  return new Promise((resolve, reject) => {
    // No connection is kept for later: one that ends while all descriptors are to be in use would leave one free.
    const options = { host, port, method, path: `/2018-06-01/runtime/${where}`, timeout: 5000, agent: false };
    const request = http.request(options, (answer) => {
      answer.resume();
      if (answer.statusCode === 200 || answer.statusCode === 202) resolve(answer.statusCode);
      else reject(new Error(`status ${answer.statusCode}`));
    });
    request.on('error', reject);
    request.end('{}');
  });
}

function opened(...names) {
  const reached = names.filter((name) => { try { fs.closeSync(fs.openSync(name, 'r+')); return true; } catch { return false; } });
  if (reached.length === 0) throw new Error('none');
  return reached;
}

// A name that is a file of ours and, a moment later, a link to the host's: swapped by another thread until it is told, or fails.
const SWAPPING = `
  const fs = require('node:fs');
  const { name, own, other, secret, swaps } = require('node:worker_threads').workerData;
  try {
    while (Atomics.load(swaps, 1) === 0) {
      for (const make of [() => fs.linkSync(own, other), () => fs.symlinkSync(secret, other)]) {
        make();
        fs.renameSync(other, name);
        // Renaming one name of a file to another of the same file leaves both.
        fs.rmSync(other, { force: true });
      }
      Atomics.add(swaps, 0, 1);
    }
  } finally {
    Atomics.store(swaps, 1, 1);
  }
`;

async function raced(event) {
  const [name, own, other] = ['js-raced', 'js-raced-own', 'js-raced-link'].map((part) => path.join(event.tmp, part));
  fs.writeFileSync(own, 'mine');
  const swaps = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(SWAPPING, { eval: true, workerData: { name, own, other, secret: event.secret, swaps } });
  const over = new Promise((resolve, reject) => { worker.on('exit', resolve); worker.on('error', reject); });
  await Promise.race([over, new Promise((resolve) => { worker.on('online', resolve); })]);
  const rounds = event.rounds ?? 3000;
  let text = 'mine';
  // On a busy machine one of the two may not run at all while the other is done with so many.
  for (let read = 0; text === 'mine' && (read < rounds || Atomics.load(swaps, 0) < rounds); read += 1) {
    if (Atomics.load(swaps, 1) !== 0) break;
    // What is not there, or may not be opened, is there the next time, or not at all.
    try { text = fs.readFileSync(name, 'utf8'); } catch { text = 'mine'; }
  }
  Atomics.store(swaps, 1, 1);
  await over;
  if (text === 'mine') throw new Error('never');
  return text;
}

// What is full stays full until the next request, or nobody could see that it was: how each is emptied.
const held = [];

const probes = {
  shell: () => execSync('echo out').toString(),
  interpreter_again: () => execFileSync(process.execPath, ['-p', '1']).toString(),
  forked: () => new Promise((resolve, reject) => {
    const child = fork(__filename, ['--nothing']);
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve('ran') : reject(new Error(`exit ${code}`))));
  }),
  loader_as_a_program: () => execFileSync(LOADER, [process.execPath, '-p', '1']).toString(),
  program_in_tmp: (event) => {
    const program = path.join(event.tmp, 'program-js');
    fs.writeFileSync(program, PROGRAM, { mode: 0o755 });
    return execFileSync(program).toString();
  },
  file_of_the_host: (event) => fs.readFileSync(event.secret, 'utf8'),
  file_through_a_link: (event) => linked((link) => fs.symlinkSync(event.secret, link), event, 'js-link'),
  file_through_proc: (event) => fs.readFileSync(`/proc/${event.pid}/root${event.secret}`, 'utf8'),
  file_through_its_own_root: (event) => fs.readFileSync(`/proc/self/root${event.secret}`, 'utf8'),
  file_by_a_race: raced,
  hard_link_to_code: (event) => linked((link) => fs.linkSync(__filename, link), event, 'js-hard').length,
  code_opened_again_for_writing: () => {
    const code = fs.openSync(__filename, 'r');
    try { return opened(`/proc/self/fd/${code}`); } finally { fs.closeSync(code); }
  },
  write_beside_the_code: () => fs.writeFileSync(path.join(__dirname, 'js-planted'), 'x') ?? 'written',
  write_on_the_host: (event) => fs.writeFileSync(path.join(event.outside, 'js-planted'), 'x') ?? 'written',
  kernel_controls: () => opened('/proc/sysrq-trigger', '/proc/sys/kernel/core_pattern', '/sys/fs/cgroup/cgroup.procs'),
  kernel_log: () => fs.closeSync(fs.openSync('/dev/kmsg', 'r')) ?? 'opened',
  inherited_descriptor: () => {
    const inside = ['/dev/', '/proc/', 'pipe:', 'socket:', 'anon_inode:', '/memfd:'];
    const targets = fs.readdirSync('/proc/self/fd').filter((number) => Number(number) > 2).map((number) => {
      try { return fs.readlinkSync(`/proc/self/fd/${number}`); } catch { return 'pipe:'; }
    });
    const found = targets.filter((target) => !inside.some((start) => target.startsWith(start)));
    if (found.length === 0) throw new Error('none');
    return found;
  },
  processes_of_the_host: () => {
    const others = fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name) && ![1, process.pid, process.ppid].includes(Number(name)));
    if (others.length === 0) throw new Error('none');
    return others.slice(0, 5);
  },
  environment_of_the_server: (event) => fs.readFileSync(`/proc/${event.pid}/environ`).length,
  signal_to_the_server: (event) => process.kill(event.pid, 0),
  port_of_the_host: (event) => connected({ host: '127.0.0.1', port: event.port }),
  port_of_the_host_by_its_address: (event) => connected({ host: event.address, port: event.port }),
  metadata: (event) => connected({ host: event.metadata[0], port: event.metadata[1] }),
  abstract_socket: (event) => connected({ path: `\0${event.abstract}` }),
  socket_file: (event) => connected({ path: event.socket }),
  answer_for_another_request: (event) => asked(event, 'POST', `invocation/${event.request ?? '8476a536-e9f4-11e8-9739-2dfe598c3fcd'}/response`),
  request_beside_the_runtime: (event) => asked(event, 'GET', 'invocation/next'),
  connected_datagram: (event) => new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    socket.on('error', reject);
    socket.connect(event.port, event.address, (error) => { socket.close(); error ? reject(error) : resolve('connected'); });
  }),
  datagram: (event) => new Promise((resolve, reject) => {
    const socket = dgram.createSocket('udp4');
    socket.on('error', reject);
    socket.send('x', event.port, event.address, (error, sent) => { socket.close(); error ? reject(error) : resolve(sent); });
  }),
  other_user: () => { if (os.userInfo().uid === 0) return process.setegid(12345) ?? process.setegid(0) ?? 'changed'; throw new Error('nobody in particular'); },
  priority: () => os.setPriority(-5) ?? 'raised',
  descriptors: () => {
    const made = [];
    const close = () => made.forEach((number) => fs.closeSync(number));
    try {
      while (made.length < 1100) made.push(fs.openSync('/dev/null'));
    } catch (error) {
      held.push(close);
      throw error;
    }
    close();
    return made.length;
  },
  disk: (event) => {
    const much = path.join(event.tmp, 'js-much');
    const [file, block] = [fs.openSync(much, 'w'), Buffer.alloc(1 << 20)];
    try {
      for (let blocks = 0; blocks < 600; blocks += 1) {
        // A full disk takes a part first, and says so.
        if (fs.writeSync(file, block) < block.length) throw new Error('full');
      }
    } catch (error) {
      held.push(() => fs.rmSync(much));
      throw error;
    } finally {
      fs.closeSync(file);
    }
    fs.rmSync(much);
    return 600;
  },
  memory: () => Buffer.alloc(600 << 20, 1).length,
};

exports.handler = async (event) => {
  if (event.list) return Object.keys(probes);
  while (held.length > 0) held.pop()();
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
