// Watches a post's comments with the `eventsource` of npm, and prints what comes.
//     node watch.mjs URL SLUG [CURSOR]
import { EventSource } from "eventsource";

const [url, slug, since] = process.argv.slice(2);
const query = new URLSearchParams({ topic: `comments.${slug}` });
if (since) query.set("since", since);

const say = (what) => console.log(JSON.stringify(what));
const source = new EventSource(`${url}/events?${query}`);

source.addEventListener("open", () => say({ open: true }));
source.addEventListener(`comments.${slug}`, (event) => {
  say({ comment: JSON.parse(event.data).payload.body, id: event.lastEventId });
});
source.addEventListener("reset", async () => {
  const answer = await fetch(`${url}/api/v1/posts/${slug}/comments`);
  const { items } = await answer.json();
  say({ reset: items.map((comment) => comment.body) });
});
