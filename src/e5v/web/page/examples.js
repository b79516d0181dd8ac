// Example queries above the collection: each finds something in it.
//
// /v1/examples -> buttons; the page neither waits for them nor needs them

import { ask } from "/api.js";
import { showQueries } from "/words.js";

export class Examples {
  /** `chosen(text)` is called for the query that is clicked. */
  constructor(section, chosen) {
    this.section = section;
    this.chosen = chosen;
    this.wanted = false;
    this.none = false;
  }

  /** Find queries for the index as it is now. */
  async look() {
    const queries = await ask("/v1/examples").then((answer) => answer.queries, () => []);
    this.none = !queries.length;
    showQueries(this.section, queries, this.chosen);
    this.show(this.wanted);
  }

  /** Show them or not; their place is kept free until they are found. */
  show(wanted) {
    this.wanted = wanted;
    this.section.hidden = !wanted || this.none;
  }
}
