//! Domain types, jobs, events, database, bus and blobs of Hearth.
