//! Notices as webhooks, signed, tried again by a published schedule.
