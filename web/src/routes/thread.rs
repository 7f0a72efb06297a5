//! Comments as a forest of replies.

use std::collections::HashMap;

use shared::db::comments::Comment;
use uuid::Uuid;

use super::present::when;
use crate::views::comments as shown;
use crate::views::path_segment;

/// Replies are shown nested so deep at most; deeper ones stand beside those
/// that they answer.
const DEPTH: usize = 6;

/// Arranges comments, oldest first, under those that they answer. One whose
/// parent is not shown stands by itself.
#[must_use]
pub fn forest(comments: Vec<Comment>) -> Vec<shown::Comment> {
    let mut places: HashMap<Uuid, (Option<Uuid>, usize)> = HashMap::new();
    let mut children: HashMap<Option<Uuid>, Vec<Comment>> = HashMap::new();
    for comment in comments {
        let place = match comment.parent.and_then(|parent| Some((parent, *places.get(&parent)?))) {
            None => (None, 0),
            Some((parent, (_, depth))) if depth + 1 < DEPTH => (Some(parent), depth + 1),
            Some((_, (grandparent, depth))) => (grandparent, depth),
        };
        places.insert(comment.id, place);
        children.entry(place.0).or_default().push(comment);
    }
    branch(None, &mut children)
}

fn branch(
    parent: Option<Uuid>,
    children: &mut HashMap<Option<Uuid>, Vec<Comment>>,
) -> Vec<shown::Comment> {
    let comments = children.remove(&parent).unwrap_or_default();
    comments
        .into_iter()
        .map(|comment| {
            let replies = branch(Some(comment.id), children);
            show(comment, replies)
        })
        .collect()
}

fn show(comment: Comment, replies: Vec<shown::Comment>) -> shown::Comment {
    shown::Comment {
        id: comment.id.to_string(),
        post_href: format!("/posts/{}", path_segment(&comment.post)),
        author: comment.author,
        html: comment.html,
        created: when(comment.created_at),
        by_admin: comment.by_admin,
        status: comment.status.as_str().to_owned(),
        replies,
    }
}

#[cfg(test)]
mod tests {
    use shared::db::comments::CommentStatus;
    use shared::time::Instant;

    use super::*;

    fn comment(id: u128, parent: Option<u128>) -> Comment {
        Comment {
            id: Uuid::from_u128(id),
            post: "hello".to_owned(),
            parent: parent.map(Uuid::from_u128),
            author: String::new(),
            body: String::new(),
            html: String::new(),
            status: CommentStatus::Approved,
            created_at: Instant::from_millis(0),
            by_admin: false,
        }
    }

    fn depth(comments: &[shown::Comment]) -> usize {
        comments.iter().map(|comment| 1 + depth(&comment.replies)).max().unwrap_or(0)
    }

    #[test]
    fn replies_stand_under_what_they_answer() {
        let forest = forest(vec![comment(1, None), comment(2, Some(1)), comment(3, Some(99))]);
        assert_eq!((forest.len(), forest[0].replies.len()), (2, 1));
    }

    #[test]
    fn an_endless_chain_of_replies_is_all_shown_and_not_nested_without_end() {
        let chain = (1..=500).map(|id| comment(id, (id > 1).then(|| id - 1))).collect();
        let forest = forest(chain);
        fn total(comments: &[shown::Comment]) -> usize {
            comments.iter().map(|comment| 1 + total(&comment.replies)).sum()
        }
        assert_eq!((depth(&forest), total(&forest)), (DEPTH, 500));
    }
}
