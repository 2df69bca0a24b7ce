//! Tests made of one case, for engines and ends.

/// Makes a test of each case for every engine, with the client as its near end and then with the
/// server.
macro_rules! either_way {
    ($($(#[$meta:meta])* fn $name:ident($setup:ident: Setup) $body:block)+) => {$(
        $(#[$meta])*
        pub(crate) mod $name {
            use super::*;

            pub(crate) fn case($setup: Setup) $body

            $crate::setups::either_way!(@test auto_from_the_client, Auto, Client);
            $crate::setups::either_way!(@test auto_from_the_server, Auto, Server);
            $crate::setups::either_way!(@test copy_from_the_client, Copy, Client);
            $crate::setups::either_way!(@test copy_from_the_server, Copy, Server);
            $crate::setups::either_way!(@test splice_from_the_client, Splice, Client);
            $crate::setups::either_way!(@test splice_from_the_server, Splice, Server);
        }
    )+};
    (@test $name:ident, $engine:ident, $near:ident) => {
        #[test]
        fn $name() {
            case(Setup::new(assemble_proxy::config::Engine::$engine, $crate::relay::Near::$near));
        }
    };
}

/// Makes a test of each case for every engine.
macro_rules! every_engine {
    ($($(#[$meta:meta])* fn $name:ident($setup:ident: Setup) $body:block)+) => {$(
        $(#[$meta])*
        pub(crate) mod $name {
            use super::*;

            pub(crate) fn case($setup: Setup) $body

            $crate::setups::either_way!(@test auto, Auto, Client);
            $crate::setups::either_way!(@test copy, Copy, Client);
            $crate::setups::either_way!(@test splice, Splice, Client);
        }
    )+};
}

/// Makes one test of each case, with all the setups of `Setup::$setups` at the same time: for
/// cases that mostly wait.
macro_rules! at_once {
    ($setups:ident: $($(#[$meta:meta])* fn $name:ident($setup:ident: Setup) $body:block)+) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            fn case($setup: Setup) $body

            std::thread::scope(|scope| {
                for setup in Setup::$setups() {
                    // A panic tells the name of its thread.
                    let named = std::thread::Builder::new().name(format!("{setup:?}"));
                    named.spawn_scoped(scope, move || case(setup)).unwrap();
                }
            });
        }
    )+};
}

pub(crate) use {at_once, either_way, every_engine};
