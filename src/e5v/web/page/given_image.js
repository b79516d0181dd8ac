// An image that is given to search by: into the state, and out of it where it cannot be read.
//
// file -> key -> state with it | refusal of the server -> state before, and why

import { showError } from "/message.js";
import { forget, keep, picture, unreadable } from "/picture.js";

export class GivenImage {
  /** `page` has state(), go(change), put(state). */
  constructor(page) {
    this.page = page;
    this.before = page.state();
  }

  /** Search by an image; words that are there stay, and say how it is to differ. */
  async give(file) {
    try {
      const key = await keep(file);
      this.before = this.page.state();
      this.page.go({ picture: key, like: "" });
      document.querySelector("#words").focus();
    } catch (error) {
      showError(error);
    }
  }

  /** Take an image out of the query that the server cannot read, and say so. */
  drop(error) {
    const state = this.page.state();
    const { name } = picture(state.picture);
    const reason = error.status === 413 ? error.message : unreadable(name, error.message);
    forget(state.picture);
    this.page.put({ ...state, picture: "", like: this.before.like });
    showError(new Error(reason));
  }
}
