//! The plain way: the handler renders the comment, writes it in one transaction
//! and answers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use rusqlite::{Connection, params};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::markdown::render_comment;
use uuid::Uuid;

/// As long as Hearth waits for another process's transaction.
const LOCKED: Duration = Duration::from_secs(5);
const TABLE: &str = "CREATE TABLE comments (id TEXT PRIMARY KEY, author TEXT NOT NULL, \
                     body TEXT NOT NULL, html TEXT NOT NULL, status TEXT NOT NULL) STRICT";
const INSERT: &str = "INSERT INTO comments (id, author, body, html, status) \
                      VALUES (?1, ?2, ?3, ?4, 'approved')";

/// A server with one connection to a database of its own.
#[derive(clap::Args)]
pub struct Server {
    /// The database
    file: PathBuf,
    /// Where it listens
    address: std::net::SocketAddr,
}

#[derive(Deserialize)]
struct NewComment {
    author: String,
    body: String,
}

type Shared = Arc<Mutex<Connection>>;

impl Server {
    /// Serves until it is killed.
    pub async fn run(self) {
        let conn = open(&self.file).expect("the database can be made");
        let router =
            Router::new().route("/comments", post(comment)).with_state(Arc::new(Mutex::new(conn)));
        let listener = tokio::net::TcpListener::bind(self.address).await.expect("a free port");
        println!("ready");
        axum::serve(listener, router).await.expect("it serves");
    }
}

fn open(file: &std::path::Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open(file)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.busy_timeout(LOCKED)?;
    conn.execute_batch(TABLE)?;
    Ok(conn)
}

async fn comment(
    State(conn): State<Shared>,
    Json(new): Json<NewComment>,
) -> (StatusCode, Json<Value>) {
    match tokio::task::spawn_blocking(move || keep(&conn, &new)).await {
        Ok(Ok(comment)) => (StatusCode::CREATED, Json(comment)),
        Ok(Err(error)) => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"error": error.to_string()})))
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": error.to_string()})))
        }
    }
}

fn keep(conn: &Shared, new: &NewComment) -> rusqlite::Result<Value> {
    let (id, html) = (Uuid::now_v7().to_string(), render_comment(&new.body));
    let mut conn = conn.lock().unwrap_or_else(PoisonError::into_inner);
    let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    tx.prepare_cached(INSERT)?.execute(params![id, new.author, new.body, html])?;
    tx.commit()?;
    Ok(json!({"id": id, "html": html, "status": "approved"}))
}
