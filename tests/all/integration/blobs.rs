//! `shared::blobs` against a real MinIO.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use shared::blobs::{Bucket, Digest, Error, Hasher, Listed, Page, PutOptions, Store};
use shared::config::{S3, Secret};
use stack::{Minio, TempDir};

fn store(endpoint: &str) -> Store {
    Store::new(&S3 {
        endpoint: endpoint.parse().expect("an address"),
        region: Minio::REGION.to_owned(),
        access_key_id: Minio::ACCESS_KEY_ID.to_owned(),
        secret_access_key: Secret::new(Minio::SECRET_ACCESS_KEY),
    })
}

/// A bucket on a MinIO of its own.
async fn fresh() -> (TempDir, Minio, Bucket) {
    let dir = TempDir::new().expect("a directory");
    let minio = Minio::start(dir.path()).expect("MinIO starts");
    let bucket = store(minio.endpoint()).bucket("things").expect("an address");
    assert!(bucket.ensure().await.expect("it is made"));
    (dir, minio, bucket)
}

fn headers() -> PutOptions {
    PutOptions {
        content_type: Some("image/jpeg".to_owned()),
        cache_control: Some("public, max-age=31536000, immutable".to_owned()),
        sha256: None,
    }
}

async fn content(bucket: &Bucket, key: &str) -> Bytes {
    let object = bucket.get(key).await.expect("it is there");
    object.bytes(1 << 20).await.expect("it comes")
}

#[tokio::test]
async fn an_object_of_any_key_keeps_its_content_and_headers() {
    let (_dir, _minio, bucket) = fresh().await;
    assert!(!bucket.ensure().await.unwrap(), "it was there already");
    for key in ["plain", "a/b c+d'é(1)!*&=?#%.jpg", "x~y@z:$,;[]{}^`|<>\""] {
        let hello = Bytes::from_static(b"hello world");
        let stored = bucket.put(key, hello.clone(), headers()).await.unwrap();
        assert_eq!((stored.sha256, stored.length), (Digest::of(&hello), 11));
        let head = bucket.head(key).await.unwrap();
        assert_eq!((&head.etag, head.length), (&stored.etag, 11));
        assert_eq!(head.content_type, headers().content_type);
        assert_eq!(head.cache_control, headers().cache_control);
        assert!(head.last_modified.is_some());
        assert_eq!(content(&bucket, key).await, hello);
        let page = bucket.list_page(key, None).await.unwrap();
        let Listed { key: listed, size, etag, .. } = &page.objects[0];
        assert_eq!((listed.as_str(), *size, etag), (key, 11, &stored.etag));
    }
}

#[tokio::test]
async fn a_range_is_passed_on_and_one_outside_is_refused() {
    let (_dir, _minio, bucket) = fresh().await;
    bucket.put("k", Bytes::from_static(b"hello world"), headers()).await.unwrap();
    let part = bucket.get_range("k", "bytes=6-").await.unwrap();
    assert_eq!(part.metadata.content_range.as_deref(), Some("bytes 6-10/11"));
    assert_eq!((part.metadata.length, &part.bytes(100).await.unwrap()[..]), (5, &b"world"[..]));
    let outside = bucket.get_range("k", "bytes=60-").await.unwrap_err();
    assert!(matches!(outside, Error::Range { .. }), "{outside}");
}

#[tokio::test]
async fn what_changed_or_is_gone_is_told_apart() {
    let (_dir, _minio, bucket) = fresh().await;
    let old = bucket.put("k", Bytes::from_static(b"old"), headers()).await.unwrap();
    bucket.get_if_match("k", &old.etag).await.expect("it has not changed");
    bucket.put("k", Bytes::from_static(b"new"), headers()).await.unwrap();
    assert!(bucket.get_if_match("k", &old.etag).await.unwrap_err().is_changed());
    bucket.delete("k").await.unwrap();
    bucket.delete("k").await.expect("a second deletion is no error");
    for error in [
        bucket.get("k").await.map(drop).unwrap_err(),
        bucket.head("k").await.map(drop).unwrap_err(),
        bucket.get_if_match("k", &old.etag).await.map(drop).unwrap_err(),
    ] {
        assert!(error.is_not_found() && !error.is_no_bucket(), "{error}");
    }
}

#[tokio::test]
async fn a_missing_bucket_is_told_apart_from_a_missing_object() {
    let (_dir, minio, _bucket) = fresh().await;
    let nowhere = store(minio.endpoint()).bucket("nowhere").unwrap();
    assert!(!nowhere.exists().await.unwrap());
    assert!(nowhere.get("k").await.unwrap_err().is_no_bucket());
    assert!(nowhere.list_page("", None).await.unwrap_err().is_no_bucket());
    let told = nowhere.ready().await.unwrap_err().to_string();
    assert_eq!(told, "look for nowhere: not found");
}

#[tokio::test]
async fn the_store_refuses_content_of_another_digest() {
    let (_dir, _minio, bucket) = fresh().await;
    let options = PutOptions { sha256: Some(Digest::of(b"other")), ..PutOptions::default() };
    let refused = bucket.put("k", Bytes::from_static(b"hello"), options).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { status: 400, .. }), "{refused}");
    assert!(bucket.head("k").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_stream_is_stored_whole_or_not_at_all() {
    const PIECES: u64 = 24;
    const LENGTH: u64 = PIECES << 20;
    let (_dir, _minio, bucket) = fresh().await;
    let piece = Bytes::from(vec![7_u8; 1 << 20]);
    let pieces = || {
        let piece = piece.clone();
        stream::iter((0..PIECES).map(move |_| Ok::<_, std::io::Error>(piece.clone())))
    };
    let stored = bucket.put_stream("big", LENGTH, pieces(), headers()).await.unwrap();
    let (mut hasher, mut body) = (Hasher::default(), bucket.get("big").await.unwrap().body);
    while let Some(piece) = body.try_next().await.unwrap() {
        hasher.update(&piece);
    }
    assert_eq!(hasher.finish(), (stored.sha256, LENGTH));
    for wrong in [LENGTH - 1, LENGTH + 1] {
        let broken = bucket.put_stream("wrong", wrong, pieces(), headers()).await.unwrap_err();
        assert!(matches!(broken, Error::Broken { .. }), "{broken}");
    }
    let failing = stream::iter([Ok(piece.clone()), Err(std::io::Error::other("disk"))]);
    bucket.put_stream("wrong", LENGTH, failing, headers()).await.expect_err("the source fails");
    assert!(bucket.head("wrong").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn too_much_is_refused_before_anything_is_sent_or_kept() {
    let (_dir, _minio, bucket) = fresh().await;
    let nothing = stream::empty::<Result<Bytes, std::io::Error>>();
    let refused = bucket.put_stream("k", 6 << 30, nothing, headers()).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { length: 6_442_450_944, .. }), "{refused}");
    bucket.put("k", Bytes::from_static(b"hello"), headers()).await.unwrap();
    let refused = bucket.get("k").await.unwrap().bytes(4).await.unwrap_err();
    assert!(matches!(refused, Error::TooLarge { limit: 4, .. }), "{refused}");
}

#[tokio::test]
async fn lists_and_deletions_go_on_beyond_a_thousand() {
    let (_dir, _minio, bucket) = fresh().await;
    let keys: Vec<String> = (0..1100).map(|number| format!("p/{number:05}")).collect();
    let put = async |key: &String| {
        bucket.put(key, Bytes::from(key.clone()), PutOptions::default()).await.unwrap();
    };
    stream::iter(&keys).for_each_concurrent(32, put).await;
    let pages: Vec<Page> = bucket.list("p/").try_collect().await.unwrap();
    let listed = pages.iter().flat_map(|page| page.objects.iter().map(|object| &object.key));
    assert!(listed.eq(&keys), "in the order of keys, each once");
    assert_eq!(pages.len(), 2);
    bucket.delete_many(&keys).await.unwrap();
    bucket.delete_many(&keys[..3]).await.expect("a second deletion is no error");
    assert!(bucket.list_page("", None).await.unwrap().objects.is_empty());
}

#[tokio::test]
async fn a_store_that_comes_back_is_used_again_and_one_that_is_away_is_told() {
    let (_dir, mut minio, bucket) = fresh().await;
    bucket.put("k", Bytes::from_static(b"hello"), headers()).await.unwrap();
    minio.kill();
    let away = bucket.get("k").await.unwrap_err();
    assert!(away.is_unavailable(), "{away}");
    minio.restart().expect("MinIO starts again");
    assert_eq!(&content(&bucket, "k").await[..], b"hello");
}
