//! A compute worker has no database: on another machine it makes what a data
//! worker writes down.

use shared::blobs::{Bucket, Store};
use shared::config::{Env, S3, Secret};
use shared::db::Ttl;
use shared::db::images::{self, ImageStatus, NewImage};
use stack::Minio;
use worker::config::{Config, Role as RunRole};

use super::*;

fn variables(ground: &Ground, minio: &Minio) -> Vec<(String, String)> {
    let queues = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/queues.yml");
    let all = [
        ("NATS_URL", ground.nats.url()),
        ("QUEUES_FILE", queues),
        ("S3_ENDPOINT", minio.endpoint()),
        ("S3_ACCESS_KEY_ID", Minio::ACCESS_KEY_ID),
        ("S3_SECRET_ACCESS_KEY", Minio::SECRET_ACCESS_KEY),
    ];
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn data_variables(ground: &Ground) -> Vec<(String, String)> {
    let all = [
        ("NATS_URL", ground.nats.url().to_owned()),
        ("QUEUES_FILE", concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/queues.yml").to_owned()),
        ("SITE_DATA_DIR", ground.dir.path().display().to_string()),
        ("SITE_URL", "http://127.0.0.1".to_owned()),
    ];
    all.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

async fn bucket(minio: &Minio, name: &str) -> Bucket {
    let settings = S3 {
        endpoint: minio.endpoint().parse().unwrap(),
        region: Minio::REGION.to_owned(),
        access_key_id: Minio::ACCESS_KEY_ID.to_owned(),
        secret_access_key: Secret::new(Minio::SECRET_ACCESS_KEY),
    };
    let bucket = Store::new(&settings).bucket(name).unwrap();
    bucket.ensure().await.unwrap();
    bucket
}

async fn upload(ground: &Ground, private: &Bucket, content: Vec<u8>) -> Uuid {
    let id = Uuid::now_v7();
    let (original, bytes) = (id.to_string(), content.len() as u64);
    private.put(&original, content.into(), shared::blobs::PutOptions::default()).await.unwrap();
    let new = NewImage { id, filename: "test".to_owned(), alt: String::new(), original, bytes };
    images::create(&ground.data, new, Uuid::now_v7()).await.unwrap();
    id
}

async fn status(ground: &Ground, id: Uuid) -> ImageStatus {
    images::get(&ground.data, id).await.unwrap().unwrap().status
}

#[tokio::test(flavor = "multi_thread")]
async fn a_compute_worker_makes_images_without_a_database() {
    let ground = Ground::new().await;
    Ttl::prepare(ground.dir.path()).unwrap();
    let minio = Minio::start(ground.dir.path()).unwrap();
    let (private, public) = (bucket(&minio, "private").await, bucket(&minio, "public").await);
    let stop = Shutdown::new();
    let compute = Config::from_env(Env::new(variables(&ground, &minio)), RunRole::Compute).unwrap();
    let data = Config::from_env(Env::new(data_variables(&ground)), RunRole::Data).unwrap();
    let compute = tokio::spawn(worker::run(compute, stop.clone()));
    let data = tokio::spawn(worker::run(data, stop.clone()));
    let picture = upload(&ground, &private, support::image::jpeg(500, 400, 7)).await;
    let nonsense = upload(&ground, &private, b"no picture".to_vec()).await;
    until("both are judged", async || {
        status(&ground, picture).await == ImageStatus::Ready
            && status(&ground, nonsense).await == ImageStatus::Failed
    })
    .await;
    let image = images::get(&ground.data, picture).await.unwrap().unwrap();
    let widths: Vec<u32> = image.variants.iter().map(|variant| variant.width).collect();
    assert_eq!(widths, [200, 320, 500]);
    for variant in &image.variants {
        let object = public.get(&variant.key).await.unwrap();
        assert_eq!(object.metadata.length, variant.bytes);
        assert_eq!(object.metadata.content_type.as_deref(), Some("image/jpeg"));
        let for_ever = object.metadata.cache_control.unwrap();
        assert!(for_ever.contains("immutable"), "{for_ever}");
    }
    let told = ground.told("images").await;
    assert!(told.contains(&"job.done".to_owned()), "{told:?}");
    assert!(ground.ended(true).await.is_empty(), "a refused upload is no dead job");
    stop.cancel();
    compute.await.unwrap().unwrap();
    data.await.unwrap().unwrap();
}
