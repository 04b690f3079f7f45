//! Group commit: audit lines that wait at the same time become durable together.

use tokio::sync::{mpsc, oneshot};

use crate::anchors::AnchorIssued;
use crate::audit::AuditLine;
use crate::error::{Error, Result};
use crate::sign_outs::SessionApp;
use crate::store::Engine;

/// How many lines share one commit at most.
const BATCH: usize = 256;
/// How many lines may wait before a caller has to wait for a place.
const QUEUE: usize = 4 * BATCH;

/// The way to the task that writes the audit; the task ends when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Recorder(mpsc::Sender<Entry>);

struct Entry {
    line: AuditLine,
    /// The session of which the application got a token, when that is news.
    participant: Option<(Vec<u8>, SessionApp)>,
    /// The ImmutableID that it carries, when that is news.
    anchor: Option<AnchorIssued>,
    answer: oneshot::Sender<Result<()>>,
}

impl Recorder {
    pub(crate) fn start(engine: Engine) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(run(engine, receiver));
        Self(sender)
    }

    pub(crate) async fn record(
        &self,
        line: AuditLine,
        participant: Option<(Vec<u8>, SessionApp)>,
        anchor: Option<AnchorIssued>,
    ) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.0
            .send(Entry {
                line,
                participant,
                anchor,
                answer,
            })
            .await
            .map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}

/// The task is gone only when its runtime shuts down.
fn stopped() -> Error {
    Error::from(sqlx::Error::PoolClosed)
}

/// A lone line commits at once; what arrives during that commit is the next batch.
async fn run(engine: Engine, mut waiting: mpsc::Receiver<Entry>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, BATCH).await > 0 {
        let outcome = commit(&engine, &batch).await;
        let one_is_bad = batch.len() > 1 && outcome.as_ref().is_err_and(|e| !e.is_unavailable());
        for entry in batch.drain(..) {
            // One line that the database refuses must not take the others with it.
            let outcome = if one_is_bad {
                commit(&engine, std::slice::from_ref(&entry)).await
            } else {
                outcome.clone()
            };
            // A caller who stopped waiting needs no answer.
            let _ = entry.answer.send(outcome);
        }
    }
}

async fn commit(engine: &Engine, batch: &[Entry]) -> Result<()> {
    if let [lone] = batch
        && lone.participant.is_none()
        && lone.anchor.is_none()
    {
        match engine.write_once().await?.append_audit(&lone.line).await {
            // Perhaps the connection had died in the pool, which BEGIN below will notice.
            Err(error) if error.is_unavailable() => {}
            outcome => return outcome,
        }
    }
    let mut write = engine.write().await?;
    for entry in batch {
        write.append_audit(&entry.line).await?;
        if let Some((session_hash, app)) = &entry.participant {
            write.note_session_app(session_hash, app).await?;
        }
    }
    // In one order everywhere, so that two servers do not wait for each other.
    let mut anchors: Vec<_> = batch.iter().filter_map(|e| e.anchor.as_ref()).collect();
    anchors.sort_unstable_by_key(|anchor| anchor.user_id);
    for anchor in anchors {
        write.note_anchor_issued(anchor).await?;
    }
    write.commit().await
}
