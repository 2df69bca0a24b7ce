//! `--metrics`: an address as it is shown is read as the same one.

#![no_main]

use std::net::SocketAddr;

use assemble_proxy::exporter::MetricsAddr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<MetricsAddr>() {
        Ok(addr) => {
            assert_eq!(addr.to_string().parse(), Ok(addr.clone()));
            match addr {
                MetricsAddr::Tcp(addr) => assert_eq!(text.parse(), Ok(addr)),
                MetricsAddr::Unix(path) => assert_eq!(text, format!("unix:{}", path.display())),
            }
        }
        Err(error) => {
            assert!(text.parse::<SocketAddr>().is_err());
            assert!(!text.starts_with("unix:") || text == "unix:");
            assert!(error.to_string().contains(text), "the words that cannot be read are named");
        }
    }
});
