//! Sending mail: by SMTP, or as files.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use url::Url;
use uuid::Uuid;

/// Where mail goes.
#[derive(Clone, PartialEq, Eq)]
pub enum Transport {
    /// One `.eml` file each, in this directory.
    Directory(PathBuf),
    /// A mail server, by its `smtp://` or `smtps://` address.
    Smtp(Url),
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "file://{}", path.display()),
            Self::Smtp(url) => write!(f, "{}://***", url.scheme()),
        }
    }
}

impl FromStr for Transport {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "it is no address")?;
        match url.scheme() {
            "file" => url.to_file_path().map(Self::Directory).map_err(|()| "it names no directory"),
            "smtp" | "smtps" if url.host_str().is_some_and(|host| !host.is_empty()) => {
                Ok(Self::Smtp(url))
            }
            "smtp" | "smtps" => Err("it names no host"),
            _ => Err("it has another scheme"),
        }
    }
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The mail cannot be put together.
    #[error("the mail cannot be written")]
    Compose(#[from] lettre::error::Error),
    /// The mail server is away or refused.
    #[error("the mail server did not take the mail")]
    Smtp(#[from] smtp::Error),
    /// The file could not be written.
    #[error("the mail cannot be kept in {path}")]
    File {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl MailError {
    /// Whether another attempt would end the same: the server refused for good.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Compose(_) => true,
            Self::Smtp(error) => error.is_permanent(),
            Self::File { .. } => false,
        }
    }
}

/// Sends mail from one sender. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Directory(PathBuf),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

impl Mailer {
    /// A sender; nothing is connected yet.
    ///
    /// # Errors
    /// When the server's address is of no use.
    pub fn new(transport: &Transport, from: Mailbox) -> Result<Self, MailError> {
        let way = match transport {
            Transport::Directory(path) => Way::Directory(path.clone()),
            Transport::Smtp(url) => {
                Way::Smtp(AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())?.build())
            }
        };
        Ok(Self { from, way })
    }

    /// Sends a plain text to one address.
    ///
    /// # Errors
    /// When it did not leave.
    pub async fn send(&self, to: Mailbox, subject: &str, text: String) -> Result<(), MailError> {
        let mail = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(subject)
            .header(ContentType::TEXT_PLAIN)
            .message_id(Some(self.message_id()))
            .date_now()
            .body(text)?;
        match &self.way {
            Way::Smtp(server) => {
                server.send(mail).await?;
                Ok(())
            }
            Way::Directory(path) => keep(path, &mail.formatted())
                .await
                .map_err(|source| MailError::File { path: path.clone(), source }),
        }
    }

    fn message_id(&self) -> String {
        format!("<{}@{}>", Uuid::now_v7(), self.from.email.domain())
    }
}

/// Writes a mail so that it is there whole, or not at all.
async fn keep(dir: &std::path::Path, mail: &[u8]) -> std::io::Result<()> {
    tokio::fs::create_dir_all(dir).await?;
    let name = Uuid::now_v7();
    let unfinished = dir.join(format!(".{name}.part"));
    tokio::fs::write(&unfinished, mail).await?;
    tokio::fs::rename(&unfinished, dir.join(format!("{name}.eml"))).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_is_read_from_its_address_and_hides_its_password() {
        let directory = "file:///var/mail".parse::<Transport>();
        assert_eq!(directory, Ok(Transport::Directory("/var/mail".into())));
        let server = "smtps://me:hush@mail.example:465".parse::<Transport>().unwrap();
        assert!(!format!("{server:?}").contains("hush"));
        for wrong in ["mail.example", "http://mail.example", "smtp://", "file://host/x"] {
            assert!(wrong.parse::<Transport>().is_err(), "{wrong} was taken");
        }
    }

    #[tokio::test]
    async fn a_mail_becomes_one_file() {
        let dir = std::env::temp_dir().join(format!("mail-{}", Uuid::now_v7()));
        let from = "Hearth <hearth@example.com>".parse().unwrap();
        let mailer = Mailer::new(&Transport::Directory(dir.clone()), from).unwrap();
        let to: Mailbox = "ann@example.com".parse().unwrap();
        mailer.send(to, "Hello", "A line.\n".to_owned()).await.unwrap();
        let files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(Result::unwrap).collect();
        let text = std::fs::read_to_string(files[0].path()).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert_eq!(files.len(), 1);
        assert!(files[0].file_name().to_string_lossy().ends_with(".eml"));
        for part in ["To: ann@example.com", "Subject: Hello", "A line."] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }
}
