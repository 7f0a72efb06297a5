//! Packing: where many jobs of a kind wait, they travel in one message.
//!
//! Each acknowledgement costs NATS a synced write, so that jobs that take no
//! time of their own are bound by it: 2,500 a second in messages of their own,
//! more than 100 times that in packs. A message holds one envelope, or an array
//! of envelopes; the subject of a pack tells how many.

use super::Message;
use crate::db::outbox::Row;
use crate::subject::{self, JobAddress};

/// Fewer than this go alone: they wait for nobody, and nothing is gained.
const FROM: usize = 8;
/// Jobs of one pack at most: they are done in one transaction, and a worker
/// that is killed does them again.
const MOST: usize = 500;
/// Bytes of one pack at most, far under NATS's limit of 1 MiB.
const BYTES: usize = 256 * 1024;

/// A message, and the rows that it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) message: Message,
    pub(super) seqs: Vec<i64>,
}

/// Rows of one stream as messages, in order of their first rows.
pub(super) fn parcels(rows: Vec<Row>) -> Vec<Parcel> {
    let mut parcels = Vec::new();
    let mut groups: Vec<Vec<Row>> = Vec::new();
    for row in rows {
        if !row.packs {
            parcels.push(alone(row));
            continue;
        }
        match groups.iter_mut().find(|group| group[0].subject == row.subject) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    parcels.extend(groups.into_iter().flat_map(packed));
    parcels.sort_by_key(|parcel| parcel.seqs[0]);
    parcels
}

/// Rows of one subject, packed when they are many.
fn packed(rows: Vec<Row>) -> Vec<Parcel> {
    if rows.len() < FROM || JobAddress::parse(&rows[0].subject).is_none() {
        return rows.into_iter().map(alone).collect();
    }
    let mut packs: Vec<Vec<Row>> = vec![Vec::new()];
    let mut bytes = 0;
    for row in rows {
        let open = packs.last_mut().expect("there is always an open pack");
        if !open.is_empty() && (open.len() == MOST || bytes + row.body.len() > BYTES) {
            bytes = 0;
            packs.push(Vec::new());
        }
        bytes += row.body.len();
        packs.last_mut().expect("there is always an open pack").push(row);
    }
    packs.into_iter().map(together).collect()
}

fn alone(row: Row) -> Parcel {
    let Row { seq, msg_id, subject, body, .. } = row;
    Parcel { message: Message { msg_id, subject, body: body.into() }, seqs: vec![seq] }
}

/// One message of several. After a crash the same rows may travel in other
/// company; then the worker knows each of them by its id.
fn together(mut rows: Vec<Row>) -> Parcel {
    let address = JobAddress::parse(&rows[0].subject).filter(|_| rows.len() > 1);
    let Some(address) = address else {
        return alone(rows.remove(0));
    };
    let (subject, first) = (subject::pack(&address, rows.len()), &rows[0].msg_id);
    let msg_id = format!("{first}.{}.{}", rows[rows.len() - 1].seq, rows.len());
    let mut body = Vec::with_capacity(rows.iter().map(|row| row.body.len() + 1).sum::<usize>() + 1);
    for row in &rows {
        body.push(if body.is_empty() { b'[' } else { b',' });
        body.extend_from_slice(&row.body);
    }
    body.push(b']');
    let seqs = rows.iter().map(|row| row.seq).collect();
    Parcel { message: Message { msg_id, subject, body: body.into() }, seqs }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: i64, subject: &str, packs: bool) -> Row {
        let (msg_id, body) = (format!("m{seq}"), format!("{{\"n\":{seq}}}").into_bytes());
        Row { seq, msg_id, subject: subject.to_owned(), body, packs }
    }

    #[test]
    fn few_go_alone_and_many_together_and_none_is_left_out() {
        let rows = |many| (1..=many).map(|seq| row(seq, "jobs.mail.code", true)).collect();
        assert_eq!(parcels(rows(7)).len(), 7);
        let packs = parcels(rows(1201));
        let counts: Vec<usize> = packs.iter().map(|pack| pack.seqs.len()).collect();
        assert_eq!(counts, [500, 500, 201]);
        assert_eq!(packs[0].message.subject, "jobs.mail.code.normal.500");
        let read: Vec<serde_json::Value> = serde_json::from_slice(&packs[2].message.body).unwrap();
        assert_eq!((read.len(), &read[0]["n"]), (201, &1001.into()));
    }

    #[test]
    fn a_pack_is_of_one_subject_and_of_rows_that_may_be_packed() {
        let mut rows: Vec<Row> = (1..=10).map(|seq| row(seq, "jobs.mail.code", true)).collect();
        rows.push(row(11, "jobs.mail.code", false));
        rows.extend((12..=15).map(|seq| row(seq, "jobs.mail.code.high", true)));
        rows.push(row(16, "events.comments.a", false));
        let sizes: Vec<usize> = parcels(rows).iter().map(|parcel| parcel.seqs.len()).collect();
        assert_eq!(sizes, [10, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn a_pack_stays_far_under_the_largest_message() {
        let mut rows: Vec<Row> = (1..=20).map(|seq| row(seq, "jobs.a.b", true)).collect();
        rows.iter_mut().for_each(|row| row.body = vec![b' '; 100_000]);
        assert!(parcels(rows).iter().all(|parcel| parcel.message.body.len() <= BYTES + 100));
    }
}
