//! The commands for strings.

use super::arguments::Arguments;
use super::command::{Command, Flags, Keys, Spec};
use super::refusal::Refusal;
use super::reply::Replies;
use super::store::Store;
use super::text::Text;

pub(crate) const COMMANDS: &[Spec] = &[
    Spec::new("get", 2, Flags::READ, Keys::ONE, |mut arguments| {
        Ok(Command::String(StringCommand::Get { key: arguments.word() }))
    }),
    Spec::new("mget", -2, Flags::READ, Keys::ALL, |arguments| {
        Ok(Command::String(StringCommand::GetMany { keys: arguments }))
    }),
];

#[derive(Clone, Copy, Debug)]
pub(crate) enum StringCommand<'a> {
    Get { key: &'a [u8] },
    GetMany { keys: Arguments<'a> },
}

impl StringCommand<'_> {
    pub(crate) fn run(self, store: &mut Store, to: &mut impl Replies) -> Result<(), Refusal> {
        match self {
            Self::Get { key } => to.bulk_or_null(store.read::<Text>(key)?.map(Text::as_slice)),
            Self::GetMany { keys } => {
                to.array(keys.len());
                keys.for_each(|key| {
                    let text = store.read::<Text>(key).ok().flatten();
                    to.bulk_or_null(text.map(Text::as_slice));
                });
            }
        }
        Ok(())
    }
}
