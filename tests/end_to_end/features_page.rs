//! The routes in docs/dapr-features.md, asked for: those that it says are not there yet answer so, and
//! no other does.

use crate::rig::{Home, ROOT, Replug, http};

#[tokio::test]
async fn routes_that_are_not_there_yet_are_those_that_the_page_names() {
    let page = std::fs::read_to_string(format!("{ROOT}/docs/dapr-features.md")).unwrap();
    let table = page.split("| methods | route |").nth(1).unwrap();
    let routes = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    let routes: Vec<Vec<&str>> =
        routes.map(|line| line.split('|').map(str::trim).collect()).collect();
    assert!(routes.len() > 30);
    let home = Home::new("");
    let replug = Replug::start(&home).await;
    let address = replug.status().await.address("http");
    for cells in routes {
        let [_, methods, route, answer, ..] = cells[..] else { panic!("{cells:?}") };
        let (route, is_not_yet) = (route.trim_matches('`'), answer == "not yet");
        // It would end the run; that it does not answer so is for other tests.
        if route == "/v1.0/shutdown" {
            assert!(!is_not_yet);
            continue;
        }
        let path: String = route.replace('…', "x").split('{').enumerate().fold(
            String::new(),
            |path, (number, part)| match (number, part.split_once('}')) {
                (0, _) => part.to_owned(),
                (_, Some((_, rest))) => path + "x" + rest,
                (_, None) => panic!("{route}"),
            },
        );
        for method in methods.split(", ") {
            let method = if method == "ANY" { "GET" } else { method };
            let told = http::request(address, method, &path, "{}").await;
            let says_so =
                told.status.as_u16() == 501 && told.body.contains("ERR_API_UNIMPLEMENTED");
            assert_eq!(says_so, is_not_yet, "{method} {path}: {told:?}");
        }
    }
    replug.stop(&home).await;
}
