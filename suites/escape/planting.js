// Leaves something for the next request wherever a process can leave something, and looks for what an earlier one left.

'use strict';

const fs = require('node:fs');
const net = require('node:net');

const state = {};

function listen(where) {
  return new Promise((resolve, reject) => {
    const server = net.createServer().on('error', reject).listen(where, resolve);
    // So that it keeps no answer from being given.
    server.unref();
  });
}

function connects(where) {
  return new Promise((resolve) => {
    const made = net.connect(where);
    made.on('connect', () => { made.destroy(); resolve(true); });
    made.on('error', () => resolve(false));
  });
}

const genuine = JSON.parse;

// Each: what leaves it, and what tells whether it is there.
const ways = {
  global: [() => { globalThis.planted = true; }, () => globalThis.planted === true],
  module: [() => { state.secret = 'planted'; }, () => state.secret === 'planted'],
  'patched function': [
    () => { const planted = (...given) => genuine(...given); planted.planted = true; JSON.parse = planted; },
    () => JSON.parse.planted === true,
  ],
  'module cache': [
    () => { require.cache['/var/task/planted.js'] = { exports: 'planted' }; },
    () => '/var/task/planted.js' in require.cache,
  ],
  prototype: [
    () => { Object.defineProperty(Object.prototype, 'planted', { value: 1, configurable: true }); },
    () => ({}).planted === 1,
  ],
  'exit handler': [() => process.on('exit', () => {}), () => process.listenerCount('exit') > 0],
  'signal handler': [() => process.on('SIGUSR2', () => {}), () => process.listenerCount('SIGUSR2') > 0],
  timer: [
    () => { state.timer = setInterval(() => { state.rung = true; }, 1).unref(); },
    () => new Promise((resolve) => { state.rung = false; setTimeout(() => resolve(state.rung === true), 20); }),
  ],
  environment: [() => { process.env.PLANTED = '1'; }, () => process.env.PLANTED === '1'],
  'working directory': [() => process.chdir('/tmp'), () => process.cwd() === '/tmp'],
  'file in /tmp': [() => fs.writeFileSync('/tmp/file', 'planted'), () => fs.existsSync('/tmp/file')],
  'open file': [
    () => { state.fd = fs.openSync('/var/task/app.js'); },
    () => fs.readdirSync('/proc/self/fd').some((fd) => {
      try { return fs.readlinkSync(`/proc/self/fd/${fd}`) === '/var/task/app.js'; } catch { return false; }
    }),
  ],
  port: [() => listen({ host: '127.0.0.1', port: 7777 }), () => connects({ host: '127.0.0.1', port: 7777 })],
  'socket in /tmp': [() => listen({ path: '/tmp/socket' }), () => connects({ path: '/tmp/socket' })],
};

exports.handler = async (event) => {
  if (event.do !== 'look') for (const [leave] of Object.values(ways)) await leave();
  if (event.do === 'crash') process.reallyExit(3);
  if (event.do === 'hang') await new Promise((resolve) => { setTimeout(resolve, 60_000); });
  // After planting, too: what is not there at once would not be missed later.
  const found = [];
  for (const [name, [, there]] of Object.entries(ways)) if (await there()) found.push(name);
  if (event.do !== 'look' && found.length < Object.keys(ways).length) throw new Error(`only ${found}`);
  return found.sort();
};
