//! Processor time, as the kernel's groups give and count it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{PYTHON_PRELUDE, driver, package, python, run, spec};

/// The control group that holds a process's share of processor time: of the old interface, or the unified one.
struct Share {
    folder: PathBuf,
    is_old: bool,
}

impl Share {
    fn of(pid: u32) -> Self {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
        let lines = || {
            groups.lines().filter_map(|line| {
                let (number, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                Some((number, controllers, path))
            })
        };
        let old = lines().find(|(_, controllers, _)| controllers.split(',').any(|name| name == "cpu"));
        let is_old = old.is_some();
        let (.., path) =
            old.or_else(|| lines().find(|(number, ..)| *number == "0")).expect("a control group");
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let is_its = |line: &&str| {
            let (_, after) = line.split_once(" - ").unwrap();
            let options = after.rsplit(' ').next().unwrap();
            if is_old {
                after.starts_with("cgroup ") && options.split(',').any(|option| option == "cpu")
            } else {
                after.starts_with("cgroup2 ")
            }
        };
        let mount = mounts.lines().find(is_its).expect("the mount of that group");
        let mut fields = mount.split(' ').skip(3);
        let (root, point) = (fields.next().unwrap(), fields.next().unwrap());
        let below = Path::new(path).strip_prefix(root).unwrap();
        Self { folder: Path::new(point).join(below), is_old }
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap().trim().to_owned()
    }

    /// Microseconds that it may have in each period, and the period's.
    fn allowed(&self) -> (u64, u64) {
        let text = if self.is_old {
            format!("{} {}", self.read("cpu.cfs_quota_us"), self.read("cpu.cfs_period_us"))
        } else {
            self.read("cpu.max")
        };
        let (quota, period) = text.split_once(' ').unwrap();
        (quota.parse().unwrap(), period.parse().unwrap())
    }

    fn counted(&self, key: &str) -> u64 {
        let stat = self.read("cpu.stat");
        let value = stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {key} in {stat}")).parse().unwrap()
    }
}

/// Of 128 MB: 20,000 µs × 128 / 1,769.
const QUOTA_US: u64 = 1_447;

#[test]
fn after_its_start_it_has_the_processor_time_of_its_memory_and_no_more() {
    run(async {
        let snippet = "
import time
stream = socket.create_connection(('127.0.0.1', 9001))
stream.send(b'r')
while stream.recv(1):
    until = time.process_time() + 0.06
    while time.process_time() < until: pass
    stream.send(b'd')
";
        let code = package("main.py", &format!("{PYTHON_PRELUDE}{snippet}"));
        let mut spec = spec(python().await, code.path());
        spec.memory_mb = 128;
        let environment = driver().await.start(spec).await.unwrap();
        let (mut stream, _) = environment.runtime_api().accept().await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'r');
        let share = Share::of(environment.pid());
        assert_eq!(share.allowed(), (20_000, 20_000), "while it starts: a whole processor");
        environment.end_init().unwrap();
        assert_eq!(share.allowed(), (QUOTA_US, 20_000));

        let now = || (share.counted("nr_periods"), share.counted("nr_throttled"), environment.usage().cpu_us);
        let before = now();
        stream.write_all(b"g").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'd');
        let after = now();
        let (periods, throttled, used_us) = (after.0 - before.0, after.1 - before.1, after.2 - before.2);
        // However long it took: as the kernel counts. One period's share may have been saved up, one had begun before the
        // first look and one after the last.
        assert!(used_us >= 60_000, "{used_us}");
        assert!(used_us <= (periods + 3) * QUOTA_US, "{used_us} in {periods} periods");
        assert!(throttled > 0, "never made to wait in {periods} periods");

        environment.begin_init().unwrap();
        assert_eq!(share.allowed(), (20_000, 20_000));
        environment.stop().await;
    });
}
