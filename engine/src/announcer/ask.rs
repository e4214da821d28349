//! One announce to one tracker, whatever its kind, and what may go wrong with it.

use shared::announce::{Announce, AnnounceReply};
use shared::display::escape;
use swarm::announce::{Retry, Setback};
use thiserror::Error;
use wire::tracker::http::{Failure, Retry as RetryIn};

use crate::http::{Client, HttpError, Scheme, Url, UrlError, lookup};

use super::udp::{self, UdpError};

/// Why a tracker did not answer: one sentence, fit for a screen.
#[derive(Debug, Error)]
pub enum AnnounceError {
    /// It could not be asked.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It could not be asked.
    #[error(transparent)]
    Udp(#[from] UdpError),
    /// It answers with an error of HTTP.
    #[error("{host} answers with HTTP status {status}")]
    Status {
        /// Which host.
        host: String,
        /// The status.
        status: u16,
    },
    /// Its answer is none.
    #[error("{host} answers with something that is no tracker's answer: {}", escape(reason))]
    Odd {
        /// Which host.
        host: String,
        /// What is wrong with it; may hold words from outside.
        reason: String,
    },
    /// It says no.
    #[error("{host} refuses: {}", escape(reason))]
    Refused {
        /// Which host.
        host: String,
        /// In its own words.
        reason: String,
        /// When to come again, if it said.
        retry: Retry,
    },
}

impl From<UrlError> for AnnounceError {
    fn from(error: UrlError) -> Self {
        Self::Http(HttpError::Url(error))
    }
}

impl AnnounceError {
    /// A refusal in the tracker's own words.
    pub(super) fn refused(host: &str, failure: Failure) -> Self {
        let retry = match failure.retry {
            None => Retry::Unsaid,
            Some(RetryIn::Never) => Retry::Never,
            Some(RetryIn::Minutes(minutes)) => {
                Retry::After(std::time::Duration::from_secs(60 * u64::from(minutes)))
            }
        };
        Self::Refused { host: host.to_owned(), reason: failure.reason, retry }
    }

    /// What the announcer is told.
    pub(super) fn setback(&self) -> Setback {
        let retry = match self {
            Self::Refused { retry, .. } => *retry,
            // An address that cannot be used will not become one.
            Self::Http(HttpError::Url(_)) => Retry::Never,
            _ => Retry::Unsaid,
        };
        Setback { text: escape(&self.to_string()).into_owned(), retry }
    }
}

/// Who asks.
#[derive(Debug, Default)]
pub(super) struct Asker {
    pub(super) client: Client,
    /// We listen on IPv4, so that is the family to be seen with.
    pub(super) v4_first: bool,
}

impl Asker {
    /// Announces at `url`.
    pub(super) async fn ask(
        &self,
        url: &Url,
        announce: Announce,
        tracker_id: Option<Vec<u8>>,
    ) -> Result<AnnounceReply, AnnounceError> {
        match url.scheme() {
            Scheme::Udp => {
                let addresses = lookup(url, self.v4_first).await?;
                udp::announce(url.host(), &addresses, announce).await
            }
            Scheme::Http | Scheme::Https => {
                super::http::announce(&self.client, url, announce, tracker_id, self.v4_first).await
            }
        }
    }
}
