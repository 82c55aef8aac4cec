//! `POST /hooks/{source}`: a router whose 2xx says that the delivery is safe.
