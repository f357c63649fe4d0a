//! tmp
use casemate_sandbox::*;
#[test]
fn smoke() {
    let spawner = spawner::start().unwrap();
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        let table = RuntimeTable::discover(&std::env::var_os("PATH").unwrap());
        for r in table.iter() { eprintln!("{r:?}"); }
        let driver = Driver::new(spawner, table).unwrap();
        eprintln!("{}", driver.probe().await);
        let interp = driver.runtimes().find("python3.11").unwrap().interpreter.clone().unwrap();
        let template = driver.prepare("python3.11", Bootstrap { files: vec![BootstrapFile{name:"b.py".into(), contents: b"import os,socket\nprint('hi', os.getuid(), os.listdir('/'), open('/proc/self/cgroup').read(), flush=True)\nprint(os.system('id'))\n".to_vec()}], argv: vec![interp.display().to_string(), "/var/runtime/b.py".into()], mounts: vec![] }).await.unwrap();
        let code = tempfile::tempdir().unwrap();
        let mut env = driver.start(EnvironmentSpec { template, code_dir: code.path().into(), layers_dir: None, env: vec![], memory_mb: 128, tmp_mb: 10, pids_max: 32, exec_policy: ExecPolicy::Deny, hostname: "h".into() }).await.unwrap();
        let mut out = String::new();
        use tokio::io::AsyncReadExt;
        env.take_stdout().unwrap().read_to_string(&mut out).await.unwrap();
        let mut err = String::new();
        env.take_stderr().unwrap().read_to_string(&mut err).await.unwrap();
        eprintln!("OUT {out}\nERR {err}");
        eprintln!("{:?}", env.exited().await);
        let mut ev = env.take_events().unwrap();
        while let Ok(e) = ev.try_recv() { eprintln!("{e:?}"); }
    });
}
