//! Images: uploaded, made, shown.

use std::time::Duration;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::image::jpeg;
use crate::support::site::Site;
use crate::support::sse::Events;
use crate::support::wait::until;

async fn settled(client: &Client, id: &str) -> Value {
    until("ready or failed image", Duration::from_secs(60), || async {
        let image = client.get(&format!("/api/v1/images/{id}")).await.expect(200).json();
        (image["status"] != "queued").then_some(image)
    })
    .await
}

#[tokio::test]
async fn an_upload_becomes_variants_that_a_post_shows_with_fixed_sizes() {
    let site = Site::shared();
    let admin = site.admin();
    let file = jpeg(2400, 1600, 1);
    let id = admin.upload("/api/v1/images", "a.jpg", &file).await.expect(202).json()["id"].clone();
    let id = id.as_str().unwrap();
    let image = settled(&admin, id).await;
    assert_eq!(
        (&image["status"], &image["width"], &image["height"]),
        (&json!("ready"), &json!(2400), &json!(1600))
    );
    let variants = image["variants"].as_array().unwrap();
    for width in [320, 640, 960, 1280, 1920] {
        assert!(variants.iter().any(|v| v["width"] == width), "no variant of {width}");
    }
    for variant in variants {
        let answer = site.visitor().get(variant["url"].as_str().unwrap()).await.expect(200);
        assert_eq!(answer.header("content-type"), variant["type"].as_str().unwrap());
        assert!(answer.header("cache-control").contains("immutable"));
        let picture = image::load_from_memory(&answer.body).expect("a variant is a picture");
        assert_eq!(u64::from(picture.width()), variant["width"].as_u64().unwrap());
    }
    let slug = format!("pictured-{id}");
    let post = json!({
        "slug": slug, "title": "P", "markdown": format!("![seen](image:{id})"),
        "status": "published",
    });
    admin.post_json("/api/v1/posts", &post).await.expect(201);
    let page = site.visitor().get(&format!("/posts/{slug}")).await.expect(200).text();
    for part in ["srcset=", "width=\"2400\"", "height=\"1600\"", "alt=\"seen\""] {
        assert!(page.contains(part), "{part} is not on the page");
    }
    let one = format!("/api/v1/images/{id}");
    site.visitor().try_ask(Method::DELETE, &one, None).await.unwrap().expect(401);
    admin.try_ask(Method::DELETE, &one, None).await.unwrap().expect(204);
    admin.try_ask(Method::DELETE, &one, None).await.unwrap().expect(404);
    let page = site.visitor().get(&format!("/posts/{slug}")).await.expect(200).text();
    assert!(page.contains("image-missing\">seen<"), "a deleted image is its description");
}

#[tokio::test]
async fn the_admin_sees_the_status_change_live() {
    let site = Site::shared();
    let admin = site.admin();
    let file = jpeg(800, 600, 2);
    let before = Events::open(&admin, "topic=metrics.views", None).await.last_id;
    let id = admin.upload("/api/v1/images", "b.jpg", &file).await.expect(202).json()["id"].clone();
    let id = id.as_str().unwrap();
    let query = format!("topic=images.{id}&since={before}");
    let mut window = Events::open(&admin, &query, None).await;
    while window.next().await.data["payload"]["status"] != "ready" {}
    let image = admin.get(&format!("/api/v1/images/{id}")).await.expect(200).json();
    assert_eq!(image["status"], "ready");
}

#[tokio::test]
async fn what_is_no_whole_image_is_refused_in_plain_words() {
    let site = Site::shared();
    let admin = site.admin();
    let text = admin.upload("/api/v1/images", "a.jpg", b"this is text, not a picture").await;
    assert!(matches!(text.status.as_u16(), 415 | 422), "{}", text.status);
    assert!(text.text().contains("JPEG"), "{}", text.text());
    let svg = admin.upload("/api/v1/images", "a.svg", b"<svg xmlns='x'></svg>").await;
    assert!(svg.status.is_client_error());
    let empty = admin.upload("/api/v1/images", "a.jpg", b"").await;
    assert!(empty.status.is_client_error());
    let large = vec![0xFF; 40 << 20];
    let large = admin.upload("/api/v1/images", "a.jpg", &large).await.expect(413);
    assert!(large.text().contains("32 MiB"), "{}", large.text());
    let mut cut = jpeg(1200, 900, 3);
    cut.truncate(cut.len() / 2);
    let answer = admin.upload("/api/v1/images", "cut.jpg", &cut).await;
    if answer.status == 202 {
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let image = settled(&admin, &id).await;
        assert_eq!(image["status"], "failed", "{image}");
        assert!(!image["error"].as_str().unwrap().is_empty());
    } else {
        assert!(answer.status.is_client_error());
    }
    site.visitor().upload("/api/v1/images", "a.jpg", &jpeg(10, 10, 4)).await.expect(401);
}
