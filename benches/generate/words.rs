//! The vocabulary: what sessions are made of.

/// A final status of a call.
#[derive(Clone, Copy)]
pub(crate) struct Status {
    /// In the provider's word, the one capital included.
    pub(crate) name: &'static str,
    /// Somebody, or something, spoke: there are a duration and a recording.
    pub(crate) answered: bool,
}

/// Every status documented, of a thousand calls. The rare ones are rare, none is absent.
pub(crate) const STATUSES: &[(u64, Status)] = &[
    (420, answered("userHangup")),
    (230, answered("agentHangup")),
    (60, answered("transferred")),
    (60, answered("voicemail")),
    (90, unanswered("userNoAnswer")),
    (45, unanswered("busy")),
    (25, unanswered("userRejected")),
    (15, unanswered("invalidNumber")),
    (12, unanswered("agentNoAnswer")),
    (12, answered("Ended")),
    (10, answered("error")),
    (8, unanswered("sipTrunkFailure")),
    (8, answered("errorTransferred")),
    (5, answered("unknown")),
];

const fn answered(name: &'static str) -> Status {
    Status { name, answered: true }
}

const fn unanswered(name: &'static str) -> Status {
    Status { name, answered: false }
}

/// Nodes of the conversations' pathways. All begin at the first.
pub(crate) const NODES: &[&str] = &[
    "start",
    "greeting",
    "verify_identity",
    "ask_intention",
    "ask_name",
    "ask_phone",
    "ask_email",
    "collect_address",
    "check_availability",
    "offer_slots",
    "confirm_booking",
    "book_demo",
    "reschedule",
    "cancel_booking",
    "order_status",
    "billing_question",
    "payment_link",
    "product_question",
    "knowledge_base",
    "objection",
    "small_talk",
    "leave_message",
    "transfer_to_agent",
    "goodbye",
];

/// The values of a variable.
pub(crate) enum Words {
    /// One of these.
    Texts(&'static [&'static str]),
    /// An integer below this.
    Numbers {
        /// The bound, itself not included.
        below: u64,
    },
    /// Yes or no.
    Flags,
}

/// Variables that agents extract. The length is no multiple of 3.
pub(crate) const VARIABLES: &[(&str, Words)] = &[
    (
        "name",
        Words::Texts(&[
            "Nancy",
            "Zoë",
            "José Ángel",
            "王小明",
            "Łukasz",
            "O'Neill",
            "陳怡君",
            "Søren",
            "さくら",
            "Ana",
        ]),
    ),
    (
        "intention",
        Words::Texts(&[
            "book a demo",
            "預約看診",
            "cancel the order",
            "Rechnung prüfen",
            "ask for a price",
            "complain",
        ]),
    ),
    ("city", Words::Texts(&["臺北", "São Paulo", "München", "Kraków", "Taichung", "Nashville", "Zürich"])),
    ("party_size", Words::Numbers { below: 12 }),
    ("callback", Words::Flags),
    ("preferred_time", Words::Texts(&["tomorrow at 10", "mañana por la tarde", "after 6 pm", "下午三點", "any time"])),
    (
        "note",
        Words::Texts(&[
            "said \"call me later\"",
            "wants a refund 😀",
            "C:\\invoices\\may",
            "line one\nline two",
            "",
            "n/a",
        ]),
    ),
    ("order_number", Words::Numbers { below: 10_000_000 }),
];
