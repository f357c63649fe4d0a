// What ordinary handlers in Node.js do, and each system-near module once.
const fs = require('fs'), os = require('os'), net = require('net'), http = require('http'), dgram = require('dgram');
const dns = require('dns'), zlib = require('zlib'), crypto = require('crypto'), path = require('path');
const { spawnSync, spawn, fork } = require('child_process');
const { Worker, isMainThread } = require('worker_threads');
if (process.argv[2] === 'child') { process.send && process.send(1); process.disconnect && process.disconnect(); return; }
const attempt = async (name, work) => { try { await work(); } catch (error) { console.log(name, error.code || error.message); } };
process.chdir('/tmp');
const alive = setInterval(() => {}, 1000);
(async () => {
  await attempt('files', async () => {
    const folder = fs.mkdtempSync('/tmp/x-'), file = path.join(folder, 'a');
    fs.writeFileSync(file, 'x'.repeat(100000)); fs.appendFileSync(file, 'y'); fs.copyFileSync(file, file + 'b');
    await fs.promises.copyFile(file, file + 'c', fs.constants.COPYFILE_FICLONE);
    fs.renameSync(file + 'b', file + 'd'); fs.symlinkSync(file, file + 'l'); fs.readlinkSync(file + 'l'); fs.linkSync(file, file + 'h');
    fs.realpathSync(file + 'l'); fs.chmodSync(file, 0o600); fs.utimesSync(file, 1, 1); fs.lutimesSync(file + 'l', 1, 1); fs.truncateSync(file, 10);
    fs.accessSync(file); fs.statfsSync(folder); fs.readdirSync(folder, { withFileTypes: true }); for await (const e of await fs.promises.opendir(folder)) e.name;
    const handle = await fs.promises.open(file, 'r+'); await handle.write('z', 0); await handle.writev([Buffer.from('a'), Buffer.from('b')]);
    await handle.readv([Buffer.alloc(2)], 0); await handle.sync(); await handle.datasync(); await handle.truncate(5); await handle.chmod(0o600);
    await handle.utimes(1, 1); await handle.stat(); await handle.close();
    try { fs.chownSync(file, process.getuid(), process.getgid()); fs.lchownSync(file + 'l', process.getuid(), process.getgid()); } catch (e) {}
    const watcher = fs.watch(folder, () => {}); fs.writeFileSync(file, 'w'); await new Promise(r => setTimeout(r, 20)); watcher.close();
    fs.watchFile(file, () => {}); fs.unwatchFile(file);
    await new Promise((done, fail) => fs.createReadStream(file).pipe(zlib.createGzip()).pipe(fs.createWriteStream(file + 'z')).on('finish', done).on('error', fail));
    fs.cpSync(folder, folder + '2', { recursive: true }); fs.rmSync(folder, { recursive: true });
  });
  await attempt('net', () => new Promise((done) => {
    const server = net.createServer((s) => { s.setNoDelay(true); s.setKeepAlive(true); s.end('x'); }).listen(0, '127.0.0.1', () => {
      const client = net.connect(server.address().port, '127.0.0.1', () => client.remoteAddress); client.resume(); client.on('close', () => server.close(done)); });
  }));
  await attempt('unix', () => new Promise((done) => {
    const server = net.createServer((s) => s.end()).listen('/tmp/socket', () => { const c = net.connect('/tmp/socket'); c.resume(); c.on('close', () => server.close(done)); });
  }));
  await attempt('http', () => new Promise((done) => {
    const server = http.createServer((q, s) => s.end('x')).listen(0, '127.0.0.1', async () => {
      const answer = await fetch('http://127.0.0.1:' + server.address().port); await answer.text(); server.closeAllConnections(); server.close(done); });
  }));
  await attempt('udp', () => new Promise((done) => {
    const s = dgram.createSocket('udp4'); s.bind(0, '127.0.0.1', () => { s.setRecvBufferSize(4096); s.send('x', s.address().port, '127.0.0.1'); }); s.on('message', () => s.close(done));
  }));
  await attempt('dns', () => dns.promises.lookup('example.com')); await attempt('dns2', () => dns.promises.resolve4('example.com'));
  await attempt('interfaces', () => os.networkInterfaces());
  await attempt('os', () => { os.cpus(); os.userInfo(); os.hostname(); os.loadavg(); os.totalmem(); os.freemem(); os.getPriority(); os.setPriority(0); os.version(); os.availableParallelism(); });
  await attempt('crypto', () => { crypto.randomBytes(8); crypto.pbkdf2Sync('a', 'b', 10, 8, 'sha256'); crypto.generateKeyPairSync('ed25519'); crypto.scryptSync('a', 'b', 16); });
  await attempt('process', () => { process.memoryUsage(); process.resourceUsage(); process.cpuUsage(); process.hrtime(); process.umask(); process.uptime(); process.getgroups(); process.title = 'x'; process.constrainedMemory && process.constrainedMemory(); });
  await attempt('signals', () => new Promise((done) => { process.once('SIGUSR2', done); process.kill(process.pid, 'SIGUSR2'); }));
  await attempt('worker', () => new Promise((done) => { const w = new Worker("require('worker_threads').parentPort.postMessage(1)", { eval: true }); w.on('message', () => w.terminate().then(done)); }));
  await attempt('wasm', () => WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])));
  await attempt('sync', () => { const r = spawnSync(process.execPath, ['-e', '0']); if (r.error) throw r.error; });
  await attempt('child', () => new Promise((done, fail) => { const c = spawn(process.execPath, ['-e', '0'], { stdio: ['pipe', 'pipe', 'pipe'] }); c.on('error', fail); c.on('exit', done); }));
  await attempt('detached', () => new Promise((done, fail) => { const c = spawn(process.execPath, ['-e', '0'], { detached: true, stdio: 'ignore' }); c.on('error', fail); c.on('exit', done); }));
  await attempt('fork', () => new Promise((done, fail) => { const c = fork(__filename, ['child']); c.on('error', fail); c.on('exit', done); }));
  await attempt('report', () => process.report.getReport());
  global.gc && global.gc();
  let held = []; for (let n = 0; n < 50; n++) held.push(Buffer.alloc(1 << 20)); held = null;
  clearInterval(alive);
  console.log('done');
})();
