//! Keeps the engine and the tracker in step: what we have is shared, what we want is followed, who can
//! not be dialled is asked to dial.
//!
//! Downloads never wait for this: it only tells the tracker what the engine has done and the engine what
//! the tracker knows. News for the person come out as [`News`].

mod book;
mod company;
mod latecomers;
mod news;
mod picture;
mod reach;
pub mod roster;
mod taken_back;
pub mod wishes;
mod wishing;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use engine::{Alert, Session, State, TorrentStatus};
use shared::control::{
    Change, EntryId, Find, Have, Kind, MAX_INFO, MAX_LAYERS, Progress, ProgressEvent, Push, Share, Shared,
    SourcesOf,
};
use shared::metainfo::Metainfo;
use shared::{InfoHash, InfoHashV2, PeerId};
use tokio::sync::mpsc;

use self::book::{Book, quarters};
use self::company::Company;
use self::latecomers::{Latecomers, waits};
pub use self::news::News;
pub use self::picture::piece_map;
use self::taken_back::TakenBack;
use self::wishing::Wishing;
use crate::link::{AskError, LinkEvent, TrackerLink};

/// How often progress is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// News that may wait to be read.
const NEWS: usize = 1024;
/// Sources that are asked for.
const WANT: u64 = 50;

/// The go-between. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Swarms {
    session: Session,
    link: TrackerLink,
    book: Arc<Mutex<Book>>,
    company: Arc<Mutex<Company>>,
    wishing: Arc<Mutex<Wishing>>,
    latecomers: Arc<Mutex<Latecomers>>,
    taken_back: Arc<Mutex<TakenBack>>,
    begun: Instant,
}

impl Swarms {
    /// Starts keeping both in step. Who is here is written down in the peer's folder, `home`.
    pub fn start(
        session: Session,
        alerts: mpsc::Receiver<Alert>,
        link: TrackerLink,
        events: mpsc::Receiver<LinkEvent>,
        home: PathBuf,
    ) -> (Self, mpsc::Receiver<News>) {
        let wishing = Arc::new(Mutex::new(Wishing::load(home.clone())));
        let taken_back = Arc::new(Mutex::new(TakenBack::load(home.clone())));
        let company = Company::load(home);
        let mut book = Book::default();
        for one in company.roster().people() {
            book.meet(one.peer_id, &one.nick);
        }
        let (book, company) = (Arc::new(Mutex::new(book)), Arc::new(Mutex::new(company)));
        let latecomers = Arc::default();
        let swarms =
            Self { session, link, book, company, wishing, latecomers, taken_back, begun: Instant::now() };
        let (news, read) = mpsc::channel(NEWS);
        drop(runtime::spawn("swarms", swarms.clone().run(alerts, events, news)));
        (swarms, read)
    }

    fn latecomers(&self) -> MutexGuard<'_, Latecomers> {
        self.latecomers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a peer is called, if that is known.
    pub fn nick_of(&self, peer_id: &PeerId) -> Option<String> {
        self.book().nick_of(peer_id)
    }

    /// Who is called so, of those whose name is known.
    pub fn called(&self, nick: &str) -> Option<PeerId> {
        self.book().called(nick)
    }

    /// Every name that is known.
    pub fn names(&self) -> Vec<String> {
        self.book().names()
    }

    /// The catalog's entry of a torrent, once the tracker told.
    pub fn entry_of(&self, id: InfoHash) -> Option<EntryId> {
        self.book().entry_of(id)
    }

    /// Tells the tracker what we have of a torrent, and the torrent who else has it. Done again by itself
    /// whenever the tracker comes back.
    pub async fn publish(
        &self,
        id: InfoHash,
        comment: Option<String>,
        private: bool,
    ) -> Result<Shared, AskError> {
        {
            let mut book = self.book();
            let page = book.page(id);
            page.comment = comment;
            page.private = private;
        }
        self.tell(id).await
    }

    async fn run(
        self,
        mut alerts: mpsc::Receiver<Alert>,
        mut events: mpsc::Receiver<LinkEvent>,
        news: mpsc::Sender<News>,
    ) {
        let mut look = tokio::time::interval(LOOK);
        loop {
            let one = tokio::select! {
                alert = alerts.recv() => match alert {
                    Some(alert) => Some(self.alert(alert, &news)),
                    None => return,
                },
                event = events.recv() => match event {
                    Some(event) => Some(self.event(event)),
                    None => return,
                },
                _ = look.tick() => {
                    self.look();
                    self.paint();
                    self.look_around();
                    self.look_for_wishes(&news);
                    self.fetch_latecomers();
                    None
                }
            };
            // A reader that is slow loses news, never the run.
            if let Some(one) = one
                && let Err(mpsc::error::TrySendError::Closed(_)) = news.try_send(one)
            {
                return;
            }
        }
    }

    /// Does something that asks the tracker, without waiting for it.
    fn aside(what: impl Future<Output = Result<(), AskError>> + Send + 'static) {
        drop(runtime::spawn("tracker question", async move {
            if let Err(error) = what.await {
                tracing::info!(%error, "the tracker was not told or asked");
            }
        }));
    }

    fn alert(&self, alert: Alert, news: &mpsc::Sender<News>) -> News {
        let nick = match &alert {
            Alert::Banned { peer_id, .. } => self.nick_of(peer_id),
            Alert::Completed { id, .. } => {
                self.progress(*id, Some(ProgressEvent::Completed));
                None
            }
            // Whom the new one knows, it has to be asked again.
            Alert::TrackerChanged { id } => {
                let (swarms, id) = (self.clone(), *id);
                Self::aside(async move { swarms.tell(id).await.map(drop) });
                None
            }
            // The tracker heard of it as a download that begins.
            Alert::Found { id, .. } => {
                self.progress(*id, None);
                None
            }
            Alert::Unreachable { id, address } => {
                // One lock after the other: a guard inside a tuple lives until the statement ends.
                let peer_id = self.book().at(address);
                let entry = self.entry_of(*id);
                if let (Some(peer_id), Some(entry)) = (peer_id, entry) {
                    self.ask_back(*id, entry, (peer_id, *address), news.clone());
                }
                peer_id.and_then(|peer_id| self.nick_of(&peer_id))
            }
            _ => None,
        };
        News::Alert { alert, nick }
    }

    /// A tracker runs a DHT node on the UDP port with the number of its own.
    async fn meet_tracker(&self) {
        if let Ok(addresses) = tokio::net::lookup_host(self.link.tracker()).await {
            addresses.take(4).for_each(|address| self.session.add_dht_node(address));
        }
    }

    fn event(&self, event: LinkEvent) -> News {
        match event {
            LinkEvent::Connected(welcome) => {
                self.book().tracker_is_new();
                self.latecomers().tracker_is_new();
                self.something_appeared();
                let swarms = self.clone();
                Self::aside(async move {
                    swarms.follow_tracker().await;
                    swarms.meet_tracker().await;
                    swarms.introduce().await
                });
                News::Connected(welcome)
            }
            LinkEvent::Lost { reason } => {
                self.tracker_lost();
                News::Lost { reason }
            }
            LinkEvent::Push(push) => {
                self.push(&push);
                News::Push(push)
            }
        }
    }

    fn push(&self, push: &Push) {
        match push {
            Push::PeerJoined { nick, peer_id } => {
                self.book().meet(*peer_id, nick);
                self.somebody_came_or_went();
            }
            Push::PeerLeft { .. } => self.somebody_came_or_went(),
            Push::Shared { .. } => self.something_appeared(),
            Push::Source { entry, peer, change } => {
                let addresses = self.book().meet_source(peer, self.session.peer_id());
                let id = self.book().id_of(entry);
                if let (Some(id), Change::Joined | Change::Completed) = (id, change) {
                    let status = self.session.status(id);
                    let has_all = status.filter(|status| status.state == State::Seeding);
                    match has_all.map(|status| status.is_share) {
                        Some(is_share) if waits(is_share, peer) => {
                            self.latecomers().wants(id, peer, self.begun.elapsed());
                        }
                        _ => self.hand_over(id, addresses),
                    }
                } else if let Some(id) = id {
                    self.latecomers().left(id, peer.peer_id);
                }
            }
            Push::Dial { nick, peer_id, addresses, entry } => {
                self.book().meet(*peer_id, nick);
                let id = self.book().id_of(entry);
                if let Some(id) = id {
                    let (session, addresses) = (self.session.clone(), addresses.clone());
                    drop(runtime::spawn("dial back", async move {
                        for address in addresses {
                            drop(session.dial(id, address).await);
                        }
                    }));
                }
            }
            _ => {}
        }
    }

    /// Tells a torrent where its sources are.
    fn hand_over(&self, id: InfoHash, addresses: Vec<std::net::SocketAddr>) {
        if addresses.is_empty() {
            return;
        }
        let session = self.session.clone();
        drop(runtime::spawn("new sources", async move { drop(session.add_peers(id, addresses).await) }));
    }

    /// After every login: who is here, what we have no more, and what we have and want.
    async fn introduce(&self) -> Result<(), AskError> {
        self.ask_who().await?;
        self.take_back_all().await;
        for status in self.session.list() {
            if let Err(error) = self.tell(status.id).await {
                tracing::info!(%error, id = %status.id, "not shared again");
            }
        }
        Ok(())
    }

    /// Shares one torrent, follows it if it is unfinished, and gives it the sources.
    async fn tell(&self, id: InfoHash) -> Result<Shared, AskError> {
        let Some(status) = self.session.status(id) else {
            return Err(AskError::TimedOut);
        };
        self.taken_back().settled(id);
        let request = self.share_request(&status);
        self.book().page(id).nameless = request.is_none();
        let shared = match request {
            Some(request) => self.link.ask(request).await?,
            None => self.find(&status).await?,
        };
        let known_as = shared.hashes.primary();
        if self.session.status(id).is_none() {
            // It went while the tracker was told that it is here.
            self.book().remove(id);
            self.tell_gone(id, known_as, Some(shared.entry)).await?;
            return Err(AskError::TimedOut);
        }
        {
            let mut book = self.book();
            let page = book.page(id);
            (page.entry, page.known_as) = (Some(shared.entry.clone()), Some(known_as));
        }
        self.take_sources(id, &shared.sources);
        if status.state != State::Seeding {
            let sources = SourcesOf { entry: shared.entry.clone(), want: WANT, subscribe: true };
            let sources = self.link.ask(sources).await?;
            self.take_sources(id, &sources.sources);
            self.progress(id, Some(ProgressEvent::Started));
        } else if self.latecomers().may_follow(id) {
            let sources = SourcesOf { entry: shared.entry.clone(), want: WANT, subscribe: true };
            let sources = self.link.ask(sources).await?;
            let (now, mut latecomers) = (self.begun.elapsed(), self.latecomers());
            sources.sources.iter().for_each(|source| latecomers.wants(id, source, now));
        }
        Ok(shared)
    }

    fn take_sources(&self, id: InfoHash, sources: &[shared::control::Source]) {
        let own = self.session.peer_id();
        let addresses = {
            let mut book = self.book();
            sources.iter().flat_map(|source| book.meet_source(source, own)).collect()
        };
        self.hand_over(id, addresses);
    }

    /// A torrent of which only the names are known cannot be shared, but it can be followed.
    async fn find(&self, status: &TorrentStatus) -> Result<Shared, AskError> {
        let found = self.link.ask(Find::Hash { info_hash: status.hashes.primary() }).await?;
        let (entry, name, hashes) = (found.entry.entry, found.entry.name, found.entry.hashes);
        Ok(Shared { entry, name, joined: true, hashes, sources: Vec::new() })
    }

    fn share_request(&self, status: &TorrentStatus) -> Option<Share> {
        let metainfo = self.session.metainfo(status.id)?;
        let info = &metainfo.info;
        let (comment, private) = {
            let mut book = self.book();
            let page = book.page(status.id);
            (page.comment.clone(), page.private)
        };
        Some(Share {
            name: info.name().to_string(),
            size: info.length(),
            files: info.files().count() as u64,
            piece_length: u64::from(info.layout().piece_length()),
            hashes: info.hashes(),
            root: info.content_root().map(InfoHashV2),
            kind: Kind::of_name(info.name().file_name()),
            info: (info.raw().len() <= MAX_INFO).then(|| info.raw().to_vec()),
            layers: layers(&metainfo),
            have: have(status),
            comment: comment.or_else(|| metainfo.comment.clone()),
            private: private || info.is_private(),
        })
    }

    /// Tells how far a download is.
    fn progress(&self, id: InfoHash, event: Option<ProgressEvent>) {
        let Some(status) = self.session.status(id) else { return };
        let Some(entry) = self.entry_of(id) else { return };
        let done = event == Some(ProgressEvent::Completed);
        self.book().page(id).quarters =
            Some(if done { 4 } else { quarters(status.verified_bytes, status.size) });
        let request = Progress {
            entry,
            have: if done { Have::Full } else { have(&status) },
            left: if done { 0 } else { status.size.saturating_sub(status.verified_bytes) },
            downloaded: status.downloaded,
            uploaded: status.uploaded,
            event,
            pieces: None,
            flows: Vec::new(),
        };
        let link = self.link.clone();
        Self::aside(async move { link.ask(request).await.map(drop) });
    }

    /// Looks for downloads that passed a quarter, and for those whose description has come.
    fn look(&self) {
        for status in self.session.list().iter().filter(|status| status.state != State::Metadata) {
            let told = std::mem::take(&mut self.book().page(status.id).nameless);
            if told {
                let (swarms, id) = (self.clone(), status.id);
                Self::aside(async move { swarms.tell(id).await.map(drop) });
            }
        }
        for status in self.session.list().iter().filter(|status| status.state == State::Downloading) {
            let now = quarters(status.verified_bytes, status.size);
            let told = self.book().page(status.id).quarters;
            if told.is_some_and(|told| told < now) {
                self.progress(status.id, None);
            }
        }
    }
}

/// The piece layers, where there are any and they fit into a line.
fn layers(metainfo: &Metainfo) -> Option<Vec<u8>> {
    let layers = (!metainfo.piece_layers.is_empty()).then(|| metainfo.layers_to_bytes());
    layers.filter(|layers| layers.len() <= MAX_LAYERS)
}

fn have(status: &TorrentStatus) -> Have {
    if status.state == State::Seeding { Have::Full } else { Have::Pieces(u64::from(status.pieces_verified)) }
}
