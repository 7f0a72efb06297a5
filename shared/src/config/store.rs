//! The object stores in the environment.

use url::Url;

use super::{Env, Secret, placeholder_url};

/// Where an S3 store is and how to sign for it.
#[derive(Debug, Clone)]
pub struct S3 {
    /// Base address, such as `http://127.0.0.1:9000`.
    pub endpoint: Url,
    /// Region used in signatures.
    pub region: String,
    /// Public half of the key.
    pub access_key_id: String,
    /// Secret half of the key.
    pub secret_access_key: Secret,
}

/// The box's own store and its three buckets.
#[derive(Debug, Clone)]
pub struct LocalStore {
    /// The store.
    pub s3: S3,
    /// Image variants, served to everyone under `/media/`.
    pub public: String,
    /// Originals and exports.
    pub private: String,
    /// The Litestream replica.
    pub backup: String,
}

/// The off-site store and the bucket of each tier.
#[derive(Debug, Clone)]
pub struct OffsiteStore {
    /// The store.
    pub s3: S3,
    /// Bucket of the daily tier.
    pub daily: String,
    /// Bucket of the one-week tier.
    pub weekly: String,
    /// Bucket of the two-week tier.
    pub biweekly: String,
}

const BUCKET: &str = "a bucket name of 3 to 63 characters";

/// `S3_…`: the box's own store.
pub fn local_store(env: &mut Env) -> LocalStore {
    LocalStore {
        s3: s3(env, "S3_"),
        public: bucket(env, "S3_BUCKET_PUBLIC", "public"),
        private: bucket(env, "S3_BUCKET_PRIVATE", "private"),
        backup: bucket(env, "S3_BUCKET_BACKUP", "backup"),
    }
}

/// `OFFSITE_…`, or `None` when no off-site endpoint is configured.
pub fn offsite_store(env: &mut Env) -> Option<OffsiteStore> {
    env.raw("OFFSITE_S3_ENDPOINT")?;
    Some(OffsiteStore {
        s3: s3(env, "OFFSITE_S3_"),
        daily: bucket(env, "OFFSITE_BUCKET_DAILY", "daily"),
        weekly: bucket(env, "OFFSITE_BUCKET_WEEKLY", "1-week"),
        biweekly: bucket(env, "OFFSITE_BUCKET_BIWEEKLY", "2-week"),
    })
}

fn s3(env: &mut Env, prefix: &str) -> S3 {
    let name = |part: &str| format!("{prefix}{part}");
    let takes = "an address, such as http://127.0.0.1:9000";
    S3 {
        endpoint: env.required(&name("ENDPOINT"), takes, placeholder_url()),
        region: env.with_default(&name("REGION"), "a region", "us-east-1".to_owned()),
        access_key_id: env.required(&name("ACCESS_KEY_ID"), "an access key id", String::new()),
        secret_access_key: env.secret(&name("SECRET_ACCESS_KEY")),
    }
}

fn bucket(env: &mut Env, variable: &str, default: &str) -> String {
    let name = env.with_default(variable, BUCKET, default.to_owned());
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !(3..=63).contains(&name.len()) || !name.chars().all(legal) {
        env.mistake(variable, format!("got {name:?}; it takes {BUCKET} (a-z, 0-9, -, .)"));
    }
    name
}
