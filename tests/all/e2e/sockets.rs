//! Connections: what a client can do to one, and what that costs the others.

use std::fs;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::site::Site;
use crate::support::sse::Events;
use crate::support::wait::until;

const SOON: Duration = Duration::from_secs(10);

fn address(site: &Site) -> String {
    let url = site.json()["url"].as_str().expect("a url").to_owned();
    url.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// A bare connection with `text` sent.
async fn sent(site: &Site, text: &str) -> TcpStream {
    let mut socket = TcpStream::connect(address(site)).await.expect("the site accepts");
    socket.write_all(text.as_bytes()).await.expect("the site reads");
    socket
}

fn request(line: &str) -> String {
    format!("{line}\r\nhost: hearth\r\n\r\n")
}

fn watch(topic: &str) -> String {
    request(&format!("GET /events?topic={topic} HTTP/1.1"))
}

/// Reads until what was read so far has `part`, and gives it.
async fn read_to(socket: &mut TcpStream, part: &str) -> String {
    let mut read = String::new();
    let reading = async {
        while !read.contains(part) {
            let mut bytes = [0; 4096];
            let count = socket.read(&mut bytes).await.expect("the connection holds");
            assert!(count > 0, "the connection ended after {read:?}");
            read.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
    };
    tokio::time::timeout(SOON, reading).await.unwrap_or_else(|_| panic!("no {part:?} comes"));
    read
}

/// Reads to the connection's end, which must come within `limit`; a reset is
/// one too.
async fn read_to_end(socket: &mut TcpStream, limit: Duration) -> String {
    let mut read = Vec::new();
    let reading = socket.read_to_end(&mut read);
    let _ended = tokio::time::timeout(limit, reading).await.expect("the connection ends");
    String::from_utf8_lossy(&read).into_owned()
}

fn descriptors(site: &Site) -> usize {
    let pid = site.pid("web").expect("web runs");
    fs::read_dir(format!("/proc/{pid}/fd")).expect("the process is there").count()
}

async fn comment(site: &Site, slug: &str, body: &str) {
    let fields = json!({"author": "Ada", "body": body});
    let path = format!("/api/v1/posts/{slug}/comments");
    site.admin().post_json(&path, &fields).await.expect(202);
}

#[tokio::test]
async fn a_stream_of_events_has_the_headers_of_every_answer() {
    let site = Site::shared();
    let mut socket = sent(&site, &watch("blogroll")).await;
    let head = read_to(&mut socket, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for line in [
        "content-type: text/event-stream",
        "cache-control: no-store",
        "x-accel-buffering: no",
        "x-content-type-options: nosniff",
        "x-request-id: ",
        "date: ",
        "transfer-encoding: chunked",
    ] {
        assert!(head.contains(&format!("\r\n{line}")), "no {line} in {head}");
    }
}

#[tokio::test]
async fn an_old_client_gets_the_stream_without_chunks() {
    let site = Site::shared();
    let mut socket = sent(&site, &request("GET /events?topic=blogroll HTTP/1.0")).await;
    let answer = read_to(&mut socket, "\n\n").await;
    assert!(answer.contains("\r\nconnection: close\r\n\r\nretry: 1000\nid: "), "{answer}");
    assert!(!answer.contains("chunked"), "{answer}");
}

#[tokio::test]
async fn a_head_request_for_events_is_answered_and_the_connection_goes_on() {
    let site = Site::shared();
    let mut socket = sent(&site, &request("HEAD /events?topic=blogroll HTTP/1.1")).await;
    let head = read_to(&mut socket, "\r\n\r\n").await;
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    socket.write_all(request("GET /robots.txt HTTP/1.1").as_bytes()).await.unwrap();
    read_to(&mut socket, "User-agent").await;
}

#[tokio::test]
async fn a_request_before_the_one_for_events_is_answered_whole() {
    let site = Site::shared();
    let both = request("GET /robots.txt HTTP/1.1") + &watch("blogroll");
    let mut socket = sent(&site, &both).await;
    let answers = read_to(&mut socket, "retry: ").await;
    let (first, second) = answers.split_once("text/event-stream").expect("two answers");
    assert!(first.contains("User-agent"), "{first}");
    assert!(second.contains("retry: 1000\n"), "{second}");
}

#[tokio::test]
async fn what_follows_a_request_for_events_is_ignored_and_too_much_of_it_ends_it() {
    let site = Site::shared();
    let slug = site.post("pipelined").await;
    let more = watch(&format!("comments.{slug}")) + &request("GET / HTTP/1.1");
    let mut socket = sent(&site, &more).await;
    read_to(&mut socket, "retry: 1000").await;
    comment(&site, &slug, "heard all the same").await;
    read_to(&mut socket, "heard all the same").await;
    // The site may have closed it before all is sent.
    let _cut = socket.write_all(&[b'x'; 64 * 1024]).await;
    read_to_end(&mut socket, SOON).await;
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_gone() {
    let site = Site::shared();
    let mut socket = sent(&site, &watch("blogroll")).await;
    read_to(&mut socket, "retry: 1000").await;
    socket.shutdown().await.unwrap();
    read_to_end(&mut socket, SOON).await;
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let site = Site::shared();
    let mut many = "GET /events?topic=blogroll HTTP/1.1\r\nhost: hearth\r\n".to_owned();
    (0..1000).for_each(|number| many.push_str(&format!("x-{number}: y\r\n")));
    let mut socket = sent(&site, &(many + "\r\n")).await;
    let answer = read_to_end(&mut socket, SOON).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut socket = sent(&site, "GET / HTTP/1.1\r\nx: ").await;
    let _cut = socket.write_all(&vec![b'y'; 4 * 1024 * 1024]).await;
    read_to_end(&mut socket, SOON).await;
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut_off_and_a_silent_one_too() {
    let site = Site::shared();
    let mut slow = sent(&site, "GET / HTTP/1.1\r\nhost: hearth\r\nx-slow: ").await;
    let mut silent = sent(&site, "").await;
    let trickle = async {
        let limit = Duration::from_secs(40);
        let began = tokio::time::Instant::now();
        // A byte now and then does not win time.
        while slow.write_all(b"y").await.is_ok() {
            assert!(began.elapsed() < limit, "a head may take for ever");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    };
    tokio::join!(trickle, read_to_end(&mut silent, Duration::from_secs(40)));
}

/// What a process holds: descriptors, threads, and memory of its own in KiB.
fn held(site: &Site) -> (usize, usize, u64) {
    let pid = site.pid("web").expect("web runs");
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process is there").count();
    let memory = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("the same");
    let anonymous = memory.lines().find_map(|line| line.strip_prefix("Pss_Anon:"));
    let anonymous = anonymous.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    (descriptors(site), threads, anonymous.expect("Linux tells it"))
}

/// Opens and closes windows of so many topics, at a hundred at a time.
async fn come_and_go(site: &Site, rounds: usize) {
    for _ in 0..rounds {
        let window = |number: usize| async move {
            let mut socket = sent(site, &watch(&format!("comments.post-{number}"))).await;
            // Some leave before they are answered.
            if !number.is_multiple_of(4) {
                read_to(&mut socket, "retry: 1000").await;
            }
            socket
        };
        drop(futures_util::future::join_all((0..100).map(window)).await);
    }
}

#[tokio::test]
async fn twenty_thousand_that_come_and_go_leave_nothing_behind() {
    let site = Site::start(&[]);
    let first = descriptors(&site);
    // What is kept for good comes with the first visitors: connections to the
    // databases, buffers.
    come_and_go(&site, 20).await;
    let before = until("the first to be gone", SOON, || async {
        Some(held(&site)).filter(|now| now.0 <= first + 50)
    })
    .await;
    come_and_go(&site, 200).await;
    until("descriptors, threads and memory as before", Duration::from_secs(30), || async {
        let now = held(&site);
        let few = now.0 <= before.0 + 10 && now.1 <= before.1 + 4 && now.2 <= before.2 + 2048;
        few.then_some(())
    })
    .await;
}

/// A window of a visitor, and the begin of its stream.
async fn window(site: &Site, visitor: &str) -> (TcpStream, String) {
    let line = "GET /events?topic=blogroll HTTP/1.1\r\nx-forwarded-for: ";
    let mut socket = sent(site, &request(&format!("{line}{visitor}"))).await;
    let begin = read_to(&mut socket, "\n\n").await;
    (socket, begin)
}

#[tokio::test]
async fn who_has_no_place_is_sent_away_for_a_while_and_others_come_in() {
    let site = Site::start(&[("LIVE_CONNECTIONS_PER_ADDRESS", "2")]);
    let visitor = "203.0.113.77";
    let (first, _) = window(&site, visitor).await;
    let (_second, begin) = window(&site, visitor).await;
    assert!(begin.contains("retry: 1000\nid: "), "{begin}");
    let (mut away, begin) = window(&site, visitor).await;
    assert!(begin.starts_with("HTTP/1.1 200 "), "{begin}");
    let pause = begin.split("retry: ").nth(1).expect("a pause").trim().parse::<u64>().unwrap();
    assert!((30_000..=60_000).contains(&pause), "{pause}");
    read_to_end(&mut away, SOON).await;
    let (_other, begin) = window(&site, "203.0.113.78").await;
    assert!(begin.contains("\nid: "), "{begin}");
    Events::open(&site.admin(), "topic=blogroll", None).await;
    drop(first);
    until("a place again", SOON, || async {
        window(&site, visitor).await.1.contains("\nid: ").then_some(())
    })
    .await;
}

#[tokio::test]
async fn at_a_shutdown_each_client_is_told_when_to_come_back() {
    let site = Site::start(&[("LIVE_RETURN_SECONDS", "60")]);
    let mut sockets = Vec::new();
    for _ in 0..20 {
        let mut socket = sent(&site, &watch("blogroll")).await;
        read_to(&mut socket, "retry: 1000").await;
        sockets.push(socket);
    }
    site.signal("web", "-TERM");
    let mut pauses = Vec::new();
    for socket in &mut sockets {
        let end = read_to_end(socket, SOON).await;
        assert!(end.ends_with("\r\n0\r\n\r\n"), "{end:?}");
        let pause = end.split("retry: ").nth(1).and_then(|rest| rest.split('\n').next());
        pauses.push(pause.expect("a pause").parse::<u64>().unwrap());
    }
    assert!(pauses.iter().all(|pause| (1000..=61_000).contains(pause)), "{pauses:?}");
    let (least, most) = (pauses.iter().min().unwrap(), pauses.iter().max().unwrap());
    assert!(most - least > 10_000, "they all come at once: {pauses:?}");
    site.ready().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_holds_up_no_shutdown() {
    let site = Site::start(&[]);
    let before = site.pid("web");
    let mut silent = sent(&site, "").await;
    // Served after it, so it was accepted.
    site.visitor().get("/").await.expect(200);
    let began = std::time::Instant::now();
    site.signal("web", "-TERM");
    read_to_end(&mut silent, SOON).await;
    site.replaced("web", before).await;
    assert!(began.elapsed() < Duration::from_secs(8), "it took {:?}", began.elapsed());
}

#[tokio::test]
async fn a_slow_reader_gets_all_its_comments_and_holds_nobody_up() {
    const COMMENTS: usize = 60;
    let site = Site::shared();
    let slug = site.post("slow").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut slow = socket.connect(address(&site).parse().unwrap()).await.unwrap();
    slow.write_all(watch(&format!("comments.{slug}")).as_bytes()).await.unwrap();
    read_to(&mut slow, "retry: 1000").await;
    let mut quick = Events::open(&site.visitor(), &format!("topic=comments.{slug}"), None).await;
    let text = "many words ".repeat(400);
    for number in 0..COMMENTS {
        comment(&site, &slug, &format!("number {number} {text}")).await;
        quick.next().await;
    }
    let all = read_to(&mut slow, &format!("number {} ", COMMENTS - 1)).await;
    let places: Vec<Option<usize>> =
        (0..COMMENTS).map(|number| all.find(&format!("number {number} "))).collect();
    assert!(places.iter().all(Option::is_some), "comments are missing");
    assert!(places.is_sorted(), "comments are out of order");
}
