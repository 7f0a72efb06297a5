// @ts-check
/** What waits to be sent, in IndexedDB, or for this page alone where there is none. */

/** @typedef {{author: string, email: string, body: string, parent: string}} Draft */

/**
 * A comment on its way. `key` is its Idempotency-Key; `tried` is when it was
 * sent first, if no answer came; `refused` is why it will not be sent again.
 * @typedef {object} Parcel
 * @property {string} key
 * @property {string} action
 * @property {string} post
 * @property {Draft} draft
 * @property {number} written
 * @property {number} [tried]
 * @property {string} [refused]
 */

/**
 * @typedef {object} Store
 * @property {() => Promise<Parcel[]>} all  oldest first
 * @property {(key: string) => Promise<Parcel | undefined>} get
 * @property {(parcel: Parcel) => Promise<void>} put
 * @property {(key: string) => Promise<void>} remove
 */

const [DATABASE, TABLE] = ["hearth", "outbox"];

/** @returns {Promise<Store>} */
export async function openStore() {
  try {
    return kept(await open());
  } catch {
    return held();
  }
}

/** @returns {Promise<IDBDatabase>} */
async function open() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "key" });
  const database = await done(request);
  database.onversionchange = () => database.close();
  return database;
}

/**
 * @param {IDBDatabase} database
 * @returns {Store}
 */
function kept(database) {
  /** @param {IDBTransactionMode} mode */
  const table = (mode) => database.transaction(TABLE, mode, { durability: "strict" }).objectStore(TABLE);
  return {
    all: async () => sorted(await done(table("readonly").getAll())),
    get: (key) => done(table("readonly").get(key)),
    put: (parcel) => committed(table("readwrite").put(parcel)),
    remove: (key) => committed(table("readwrite").delete(key)),
  };
}

/** @returns {Store} */
function held() {
  /** @type {Map<string, Parcel>} */
  const parcels = new Map();
  return {
    all: async () => sorted([...parcels.values()]),
    get: async (key) => parcels.get(key),
    put: async (parcel) => void parcels.set(parcel.key, parcel),
    remove: async (key) => void parcels.delete(key),
  };
}

/** @param {Parcel[]} parcels */
function sorted(parcels) {
  return parcels.sort((a, b) => a.written - b.written);
}

/**
 * @template T
 * @param {IDBRequest<T>} request
 * @returns {Promise<T>}
 */
function done(request) {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/**
 * @param {IDBRequest} request
 * @returns {Promise<void>}
 */
function committed({ transaction }) {
  return new Promise((resolve, reject) => {
    if (!transaction) return reject(new Error("the request has no transaction"));
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
    return undefined;
  });
}
