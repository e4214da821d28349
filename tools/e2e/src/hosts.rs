//! Hosts that are not there: network namespaces on a switch of their own, some of them behind a router
//! that translates addresses.
//!
//! Nothing of it touches the machine's own network: the switch is a namespace as well, and no wire leads
//! out. Every namespace ends with its [`Network`]; those of a run that was killed go at the next start.

use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::program::Program;
use crate::skip;

/// What all our namespaces are called, before the number of the process.
const PREFIX: &str = "enjambre";

/// One host: commands that it gives are carried out there.
#[derive(Debug, Clone)]
pub struct Host {
    name: String,
    ip: Ipv4Addr,
}

impl Host {
    /// Its address, as it knows it itself.
    pub const fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// A command on this host.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// The same command, on this host.
    pub fn place(&self, command: &Command) -> Command {
        let mut placed = self.command(command.get_program());
        placed.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => placed.env(name, value),
                None => placed.env_remove(name),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            placed.current_dir(folder);
        }
        placed
    }

    /// Does something as a program on this host would: sockets that it makes are there, also afterwards.
    pub fn within<T: Send>(&self, what: impl FnOnce() -> T + Send) -> T {
        let namespace = std::fs::File::open(Path::new("/run/netns").join(&self.name)).expect("the host");
        let moved = || {
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), kind).expect("the right to go to a host");
            what()
        };
        // Only the thread moves, and it ends.
        std::thread::scope(|scope| {
            scope.spawn(moved).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Carries out a command line of words without quotes; ends the test when that fails.
    pub fn run(&self, line: &str) {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().unwrap_or_default());
        command.args(words);
        succeed(&mut command);
    }

    /// Feeds rules to `nft`.
    pub fn rules(&self, rules: &str, folder: &Path) {
        let file = folder.join(format!("{}.nft", self.name));
        std::fs::write(&file, rules).expect("the rules");
        let mut command = self.command("nft");
        command.arg("-f").arg(&file);
        succeed(&mut command);
    }

    /// Watches the packets that pass its wire and fit an expression of tcpdump's, one line each.
    pub fn watch(&self, expression: &str) -> Program {
        let mut command = self.command("tcpdump");
        command.args(["-i", "any", "-nn", "-l", "-A", "-s", "1600", "--immediate-mode", expression]);
        let watch = Program::start(format!("tcpdump at {}", self.ip), &mut command);
        watch.line_with(0, &["listening on"], std::time::Duration::from_secs(20));
        watch
    }
}

/// A switch and its hosts.
#[derive(Debug)]
pub struct Network {
    prefix: String,
    switch: String,
    namespaces: Vec<String>,
    next: u8,
}

impl Network {
    /// An empty switch; nothing, and a word about it, where namespaces cannot be made.
    pub fn new() -> Option<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        if skip::find("ip").is_none() {
            skip::without("the program ip", "sudo apt-get install iproute2");
            return None;
        }
        remove_leftovers();
        let prefix = format!("{PREFIX}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let switch = format!("{prefix}-switch");
        if !quietly(Command::new("ip").args(["netns", "add", &switch])) {
            skip::without("the right to make network namespaces", "run the tests as root");
            return None;
        }
        let mut network = Self { prefix, switch, namespaces: Vec::new(), next: 1 };
        network.namespaces.push(network.switch.clone());
        let switch = network.switch_host();
        switch.run("ip link add switch type bridge");
        switch.run("ip link set switch up");
        Some(network)
    }

    /// A host on the switch: 10.99.0.N.
    pub fn host(&mut self) -> Host {
        let number = self.number();
        let host = self.namespace(Ipv4Addr::new(10, 99, 0, number));
        self.plug_in(&host, number);
        // So that multicast finds its way.
        host.run("ip route add default dev wire");
        host
    }

    /// A host behind a router with address translation; gives the router's namespace and the host.
    /// The router's outer address is 10.99.0.N, the host's 10.98.N.2. Ports are kept where they are free.
    /// What comes from outside and answers nothing is dropped without a word, as routers at home do.
    pub fn host_behind_nat(&mut self, folder: &Path) -> (Host, Host) {
        let number = self.number();
        let router = self.namespace(Ipv4Addr::new(10, 99, 0, number));
        self.plug_in(&router, number);
        let inside = self.namespace(Ipv4Addr::new(10, 98, number, 2));
        router.run(&format!("ip link add inner type veth peer name wire netns {}", inside.name));
        router.run(&format!("ip addr add 10.98.{number}.1/24 dev inner"));
        router.run("ip link set inner up");
        inside.run(&format!("ip addr add {}/24 dev wire", inside.ip));
        inside.run("ip link set wire up");
        inside.run(&format!("ip route add default via 10.98.{number}.1"));
        router.run("sysctl -q -w net.ipv4.ip_forward=1");
        router.rules(
            "table ip nat {\n chain out {\n  type nat hook postrouting priority srcnat;\n  \
             oifname \"wire\" masquerade\n }\n}\n\
             table ip wall {\n chain passing {\n  type filter hook forward priority filter; policy drop;\n  \
             iifname \"inner\" accept\n  ct state established,related accept\n }\n \
             chain arriving {\n  type filter hook input priority filter; policy accept;\n  \
             iifname \"wire\" ct state new drop\n }\n}\n",
            folder,
        );
        (router, inside)
    }

    fn number(&mut self) -> u8 {
        self.next += 1;
        self.next
    }

    fn switch_host(&self) -> Host {
        Host { name: self.switch.clone(), ip: Ipv4Addr::UNSPECIFIED }
    }

    fn namespace(&mut self, ip: Ipv4Addr) -> Host {
        let name = format!("{}-{}", self.prefix, self.namespaces.len());
        succeed(Command::new("ip").args(["netns", "add", &name]));
        self.namespaces.push(name.clone());
        let host = Host { name, ip };
        host.run("ip link set lo up");
        host
    }

    fn plug_in(&self, host: &Host, number: u8) {
        let switch = self.switch_host();
        switch.run(&format!("ip link add to{number} type veth peer name wire netns {}", host.name));
        switch.run(&format!("ip link set to{number} master switch up"));
        host.run(&format!("ip addr add {}/24 brd 10.99.0.255 dev wire", host.ip));
        host.run("ip link set wire up multicast on");
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in self.namespaces.drain(..).rev() {
            quietly(Command::new("ip").args(["netns", "del", &name]));
        }
    }
}

/// Removes the namespaces of runs that are no more.
fn remove_leftovers() {
    let Ok(listed) = Command::new("ip").args(["netns", "list"]).output() else { return };
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let mut parts = name.split('-');
        let ours = parts.next() == Some(PREFIX);
        let gone = parts.next().is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if ours && gone {
            quietly(Command::new("ip").args(["netns", "del", name]));
        }
    }
}

fn quietly(command: &mut Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
