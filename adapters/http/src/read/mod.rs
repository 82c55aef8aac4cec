//! Sessions, timelines and notices for whoever has the token.
