//! The page's live stream: every half second what has changed is written once, and all viewers are given
//! the same bytes. A newcomer gets everything first.
//!
//! Viewers are bounded in number, and each in what may wait for it: who does not read is cut with its
//! connection. While nobody watches, only the total rate is noted.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Frame;
use runtime::Shutdown;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::PageNames;
use super::rows::{About, PeerRow, ShareRow, TrackerRow};
use crate::feed::Item;
use crate::hub::{Hub, View};

/// How often changes are told.
const TICK: Duration = Duration::from_millis(500);
/// Ticks between two points of the chart.
const TICKS_A_POINT: u64 = 2;
/// Points of the chart that are known: ten minutes.
const POINTS: usize = 600;
/// Ticks after which a word is said though nothing changed.
const QUIET_TICKS: u64 = 20;
/// Messages that may wait for one viewer, and their bytes.
const WAITING: usize = 16;
const WAITING_BYTES: u64 = 4 * 1024 * 1024;
/// Viewers at once.
const MAX_VIEWERS: usize = 1_000;

/// All viewers, and what they were told last.
#[derive(Debug, Default)]
pub(super) struct Live {
    inner: Mutex<Inner>,
    cut: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    viewers: Vec<Viewer>,
    newcomers: Vec<Viewer>,
    told: Told,
    rates: VecDeque<(u64, u64)>,
    quiet: u64,
}

#[derive(Debug)]
struct Viewer {
    sender: mpsc::Sender<Bytes>,
    /// Bytes that were given and not taken yet.
    waiting: std::sync::Arc<AtomicU64>,
    /// Ends its connection.
    cut: Shutdown,
}

/// The body of the stream.
#[derive(Debug)]
pub(super) struct Stream {
    receiver: mpsc::Receiver<Bytes>,
    waiting: std::sync::Arc<AtomicU64>,
}

impl axum::body::HttpBody for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let taken = std::task::ready!(self.receiver.poll_recv(context));
        if let Some(bytes) = &taken {
            self.waiting.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        }
        Poll::Ready(taken.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Everything as it was written last, by key.
#[derive(Debug, Default)]
struct Told {
    tracker: String,
    peers: BTreeMap<String, String>,
    shares: BTreeMap<String, String>,
    flows: String,
    rate: u64,
    log: u64,
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for one more viewer, whose connection ends by `cut`; `None` when there are too many.
    pub(super) fn watch(&self, cut: Shutdown) -> Option<Stream> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.viewers.retain(|viewer| !viewer.sender.is_closed());
        inner.newcomers.retain(|viewer| !viewer.sender.is_closed());
        if inner.viewers.len() + inner.newcomers.len() >= MAX_VIEWERS {
            return None;
        }
        let (sender, receiver) = mpsc::channel(WAITING);
        let waiting = std::sync::Arc::<AtomicU64>::default();
        inner.newcomers.push(Viewer { sender, waiting: std::sync::Arc::clone(&waiting), cut });
        Some(Stream { receiver, waiting })
    }

    /// Who watches.
    pub(super) fn viewers(&self) -> usize {
        let inner = self.lock();
        inner.viewers.iter().chain(&inner.newcomers).filter(|viewer| !viewer.sender.is_closed()).count()
    }

    /// Viewers that were cut because they did not read.
    pub(super) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// The points of the chart: milliseconds since 1970 and bytes per second.
    pub(super) fn rates(&self) -> Vec<(u64, u64)> {
        self.lock().rates.iter().copied().collect()
    }

    /// Tells what changes until the tracker stops.
    pub(super) async fn run(&self, hub: Hub, shown: PageNames, about: About, shutdown: Shutdown) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut count = 0_u64;
        loop {
            tokio::select! {
                () = shutdown.requested() => return,
                _ = ticks.tick() => {}
            }
            count += 1;
            if self.viewers() > 0 {
                self.tell(&shown.view(&hub), about, count);
            } else if count.is_multiple_of(TICKS_A_POINT) {
                self.lock().point(hub.rate(), runtime::clock::wall_millis());
            }
        }
    }

    fn tell(&self, view: &View, about: About, count: u64) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        if count.is_multiple_of(TICKS_A_POINT) {
            inner.point(view.scene.rate, view.at);
        }
        let now = Told::new(view, about);
        let log_before = std::mem::take(&mut inner.told.log);
        let new: Vec<&Item> = view.log.iter().filter(|item| item.n > log_before).collect();
        let delta = now.since(&inner.told, &new, view.at);
        inner.told = now;
        inner.told.log = view.log.last().map_or(log_before, |item| item.n).max(log_before);
        inner.quiet = if delta.is_some() { 0 } else { inner.quiet + 1 };
        let mut told = delta.map(|delta| message("delta", &delta));
        if inner.quiet >= QUIET_TICKS {
            inner.quiet = 0;
            told = Some(Bytes::from_static(b": still here\n\n"));
        }
        if let Some(told) = told {
            inner.viewers.retain(|viewer| self.give(viewer, &told));
        }
        if !inner.newcomers.is_empty() {
            let whole = inner.told.whole(&view.log, &inner.rates, view.at);
            let whole = message("snapshot", &whole);
            let newcomers = std::mem::take(&mut inner.newcomers);
            inner.viewers.extend(newcomers.into_iter().filter(|viewer| self.give(viewer, &whole)));
        }
    }

    /// Hands a message to a viewer; who has too much waiting is cut.
    fn give(&self, viewer: &Viewer, message: &Bytes) -> bool {
        let size = message.len() as u64;
        let waiting = viewer.waiting.fetch_add(size, Ordering::Relaxed);
        let fits = waiting == 0 || waiting + size <= WAITING_BYTES;
        match viewer.sender.try_send(message.clone()) {
            Ok(()) if fits => true,
            Err(mpsc::error::TrySendError::Closed(_)) => false,
            _ => {
                self.cut.fetch_add(1, Ordering::Relaxed);
                viewer.cut.request();
                false
            }
        }
    }
}

impl Inner {
    fn point(&mut self, rate: u64, at: u64) {
        if self.rates.len() >= POINTS {
            self.rates.pop_front();
        }
        self.rates.push_back((at, rate));
    }
}

impl Told {
    fn new(view: &View, about: About) -> Self {
        let tracker = TrackerRow::new(&view.counters, about, view.failure.is_none());
        let peers = view.scene.peers.iter().map(PeerRow::from);
        let shares = view.scene.shares.iter().map(ShareRow::from);
        let flows: Vec<[u64; 3]> =
            view.scene.flows.iter().map(|flow| [flow.from, flow.to, flow.rate]).collect();
        Self {
            tracker: json(&tracker),
            peers: peers.map(|row| (row.peer.to_string(), json(&row))).collect(),
            shares: shares.map(|row| (row.entry.entry.clone(), json(&row))).collect(),
            flows: json(&flows),
            rate: view.scene.rate,
            log: 0,
        }
    }

    /// What differs from before; `None` when nothing does.
    fn since(&self, before: &Self, log: &[&Item], at: u64) -> Option<String> {
        let mut parts = Vec::new();
        if self.tracker != before.tracker {
            parts.push(format!("\"tracker\":{}", self.tracker));
        }
        for (key, now, then) in
            [("peers", &self.peers, &before.peers), ("shares", &self.shares, &before.shares)]
        {
            let gone = then.keys().filter(|key| !now.contains_key(*key)).map(|key| (key, "null"));
            let changed = now.iter().filter(|(key, row)| then.get(*key) != Some(*row));
            let all: Vec<String> = changed
                .map(|(key, row)| (key, row.as_str()))
                .chain(gone)
                .map(|(key, row)| format!("{}:{row}", json(key)))
                .collect();
            if !all.is_empty() {
                parts.push(format!("\"{key}\":{{{}}}", all.join(",")));
            }
        }
        if self.flows != before.flows {
            parts.push(format!("\"flows\":{}", self.flows));
        }
        if self.rate != before.rate {
            parts.push(format!("\"rate\":{}", self.rate));
        }
        if !log.is_empty() {
            parts.push(format!("\"log\":{}", json(&log)));
        }
        (!parts.is_empty()).then(|| format!("{{\"now\":{at},{}}}", parts.join(",")))
    }

    fn whole(&self, log: &[Item], rates: &VecDeque<(u64, u64)>, at: u64) -> String {
        let object = |rows: &BTreeMap<String, String>| {
            let rows = rows.iter().map(|(key, row)| format!("{}:{row}", json(key)));
            format!("{{{}}}", rows.collect::<Vec<_>>().join(","))
        };
        format!(
            "{{\"now\":{at},\"tracker\":{},\"peers\":{},\"shares\":{},\"flows\":{},\"rate\":{},\"rates\":{},\"log\":{}}}",
            self.tracker,
            object(&self.peers),
            object(&self.shares),
            self.flows,
            self.rate,
            json(rates),
            json(&log),
        )
    }
}

/// One message of the stream. JSON has no line feed outside its texts and writes `\n` inside.
fn message(event: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}

/// Rows cannot fail to be written; if one did, it would be shown as nothing.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| Value::Null.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(peers: &[(&str, &str)], rate: u64) -> Told {
        let row = |(key, row): &(&str, &str)| ((*key).to_owned(), (*row).to_owned());
        Told { peers: peers.iter().map(row).collect(), rate, ..Told::default() }
    }

    #[test]
    fn only_what_changed_is_told() {
        let before = told(&[("1", "{}"), ("2", "{\"down\":1}")], 5);
        assert_eq!(told(&[("1", "{}"), ("2", "{\"down\":1}")], 5).since(&before, &[], 9), None);
        let now = told(&[("2", "{\"down\":2}"), ("3", "{}")], 6);
        let delta: Value = serde_json::from_str(&now.since(&before, &[], 9).unwrap()).unwrap();
        let expected = serde_json::json!({"now":9,"peers":{"1":null,"2":{"down":2},"3":{}},"rate":6});
        assert_eq!(delta, expected);
    }

    #[test]
    fn who_does_not_read_is_cut_and_viewers_are_counted() {
        let live = Live::default();
        let cut = Shutdown::new();
        let stream = live.watch(cut.clone()).unwrap();
        let viewer = live.lock().newcomers.pop().unwrap();
        let given = (0..100).take_while(|_| live.give(&viewer, &Bytes::from_static(b"x"))).count();
        assert_eq!((given, live.cut(), cut.is_requested()), (WAITING, 1, true));
        drop(stream);
        let big = Shutdown::new();
        let _stream = live.watch(big.clone()).unwrap();
        let viewer = live.lock().newcomers.pop().unwrap();
        let much = Bytes::from(vec![b'x'; 3 * 1024 * 1024]);
        assert!(live.give(&viewer, &much) && !live.give(&viewer, &much) && big.is_requested());
        let all: Vec<_> = (0..MAX_VIEWERS).map(|_| live.watch(Shutdown::new()).unwrap()).collect();
        assert!(live.watch(Shutdown::new()).is_none());
        assert_eq!(live.viewers(), MAX_VIEWERS);
        drop(all);
        assert!(live.watch(Shutdown::new()).is_some(), "those who left make room");
    }
}
