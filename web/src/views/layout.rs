//! What every page shares.

/// The frame of a page: head, header, footer, and where its live part starts.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    /// The site's title, from the settings.
    pub site_title: String,
    /// The site's description, from the settings.
    pub site_description: String,
    /// When a comment is shown to its author: `safe`, `optimistic` or `brave`.
    pub posting: &'static str,
    /// The site's public address without a trailing slash (`SITE_URL`).
    pub site_url: String,
    /// Path and query of this page, for the canonical link and for forms that
    /// come back here.
    pub path: String,
    /// Changes when a file of `web/ui` does; part of their addresses.
    pub assets_version: String,
    /// The hub's position when the page's data was read, `<epoch>-<sequence>`;
    /// empty if the hub is not connected (the browser then starts from now).
    pub cursor: String,
    /// Who is signed in.
    pub viewer: Option<Viewer>,
    /// The outcome of what the visitor just did.
    pub notice: Option<Notice>,
}

impl Layout {
    /// The absolute address of a path on this site.
    #[must_use]
    pub fn absolute(&self, path: &str) -> String {
        format!("{}{path}", self.site_url)
    }

    /// Whether an admin is signed in.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.admin)
    }
}

/// Who is signed in.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// What the windows of the user follow.
    pub topic: String,
    /// The address that the code was sent to.
    pub email: String,
    /// Whether the pages under `/admin` are theirs.
    pub admin: bool,
}

/// A short message at the top of the page's main part, or above a form.
#[derive(Debug, Clone)]
pub struct Notice {
    /// How it looks and how it is announced.
    pub tone: Tone,
    /// Plain text, a sentence or two.
    pub text: String,
}

impl Notice {
    /// Something went well.
    pub fn good(text: impl Into<String>) -> Self {
        Self { tone: Tone::Good, text: text.into() }
    }

    /// Something to know.
    pub fn info(text: impl Into<String>) -> Self {
        Self { tone: Tone::Info, text: text.into() }
    }

    /// Something failed, and what to do about it.
    pub fn error(text: impl Into<String>) -> Self {
        Self { tone: Tone::Error, text: text.into() }
    }
}

/// The weight of a notice or an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It went well.
    Good,
    /// Neutral.
    Info,
    /// It needs a look.
    Warning,
    /// It failed.
    Error,
}

impl Tone {
    /// The value of `data-tone`, which the style sheet knows.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The ARIA role: failures interrupt, the rest waits.
    #[must_use]
    pub fn role(self) -> &'static str {
        match self {
            Self::Error => "alert",
            _ => "status",
        }
    }
}

/// Links to the neighbours of one page of a list; ready addresses.
#[derive(Debug, Clone, Default)]
pub struct Pager {
    /// Towards the newest, absent on the first page.
    pub newer: Option<String>,
    /// Towards the oldest, absent on the last page.
    pub older: Option<String>,
    /// What leads from one to the next.
    pub order: Order,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Age,
    /// By whose turn it is.
    Turn,
}

impl Pager {
    /// The word of the link back.
    #[must_use]
    pub fn back(&self) -> &'static str {
        match self.order {
            Order::Age => "Newer",
            Order::Turn => "First",
        }
    }

    /// The word of the link onwards.
    #[must_use]
    pub fn onwards(&self) -> &'static str {
        match self.order {
            Order::Age => "Older",
            Order::Turn => "Next",
        }
    }

    /// Whether there is a neighbour at all.
    #[must_use]
    pub fn any(&self) -> bool {
        self.newer.is_some() || self.older.is_some()
    }
}
