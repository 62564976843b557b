/** What each claim states, by its id. Written by `npm run claims`. */
export interface Sentences {}
