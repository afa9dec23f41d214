use super::*;
use crate::resources::{HttpMetrics, MetricsRule};

fn call(path: &str) -> HttpCall<'_> {
    let took = Duration::from_micros(3_900);
    HttpCall { method: "GET", path, status: "200", took, received: 0, sent: 5000 }
}

#[test]
fn a_call_shows_under_daprs_names_with_labels_in_order() {
    let telemetry = Telemetry::new("shop", "", &MetricsSettings::default());
    assert!(!telemetry.text().contains("path="), "nothing is shown before it happens");
    telemetry.http(&call("/v1.0/state/orders/1"));
    telemetry.http(&call("/v1.0/state/orders/2"));
    let method = "/dapr.proto.runtime.v1.Dapr/GetState";
    let took = Duration::from_millis(3);
    let rpc = GrpcCall { method, status: "OK", took, sizes: Some((2000, 10)) };
    telemetry.grpc(&rpc);
    telemetry.component(Measured::State, "orders", "get", Duration::from_micros(1500), true);
    let text = telemetry.text();
    for line in [
        "# TYPE dapr_http_server_request_count counter",
        r#"dapr_http_server_request_count{app_id="shop",method="GET",path="/v1.0/state/orders",status="200"} 2"#,
        r#"dapr_http_server_latency_bucket{app_id="shop",method="GET",path="/v1.0/state/orders",status="200",le="3"} 2"#,
        r#"dapr_http_server_response_bytes_bucket{app_id="shop",le="4096"} 0"#,
        r#"dapr_grpc_io_server_completed_rpcs{app_id="shop",grpc_server_method="/dapr.proto.runtime.v1.Dapr/GetState",grpc_server_status="OK"} 1"#,
        r#"dapr_grpc_io_server_received_bytes_per_rpc_bucket{app_id="shop",grpc_server_method="/dapr.proto.runtime.v1.Dapr/GetState",le="1024"} 0"#,
        r#"dapr_grpc_io_server_sent_bytes_per_rpc_sum{app_id="shop",grpc_server_method="/dapr.proto.runtime.v1.Dapr/GetState"} 10"#,
        r#"dapr_component_state_count{app_id="shop",component="orders",namespace="",operation="get",success="true"} 1"#,
        r#"dapr_component_state_latencies_sum{app_id="shop",component="orders",namespace="",operation="get",success="true"} 1.5"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
}

#[test]
fn bounds_of_latencies_are_taken_in_any_order_and_none_of_them_is_fatal() {
    for (written, shown) in [
        (&[10, 5][..], &["5", "10", "+Inf"][..]),
        (&[1, 1], &["1", "+Inf"]),
        (&[0, -3, 7], &["7", "+Inf"]),
        (&[0], &["+Inf"]),
    ] {
        let settings =
            MetricsSettings { latency_buckets: written.to_vec(), ..MetricsSettings::default() };
        let telemetry = Telemetry::new("shop", "", &settings);
        telemetry.http(&call("/v1.0/healthz"));
        let text = telemetry.text();
        let bounds: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("dapr_http_server_latency_bucket{"))
            .filter_map(|line| Some(line.split_once("le=\"")?.1.split_once('"')?.0))
            .collect();
        assert_eq!(bounds, shown, "{written:?}");
    }
}

#[test]
fn what_became_of_a_message_stands_for_a_word_that_was_not_said() {
    let telemetry = Telemetry::new("shop", "", &MetricsSettings::default());
    for (processed, status, shown) in [
        (Processed::Success, "", "success"),
        (Processed::Drop, "success", "success"),
        (Processed::Drop, "", "drop"),
        (Processed::Retry, "", "retry"),
    ] {
        let topic = format!("{processed:?}-{status}");
        let (component, took) = ("bus", Duration::ZERO);
        telemetry.ingress(&Ingress { component, topic: &topic, processed, status, took });
        let shown = format!(r#"status="{shown}",topic="{topic}"}} 1"#);
        assert!(telemetry.text().contains(&shown), "{shown} is not in\n{}", telemetry.text());
    }
}

#[test]
fn settings_cut_paths_and_methods_and_give_other_bounds() {
    let settings = MetricsSettings {
        http: HttpMetrics {
            increased_cardinality: false,
            exclude_verbs: true,
            ..HttpMetrics::default()
        },
        latency_buckets: vec![7],
        ..MetricsSettings::default()
    };
    let telemetry = Telemetry::new("shop", "", &settings);
    telemetry.http(&call("/v1.0/healthz"));
    let text = telemetry.text();
    let labels = r#"{app_id="shop",method="",path="",status="200","#;
    assert!(
        text.contains(&format!("dapr_http_server_latency_bucket{labels}le=\"7\"}} 1")),
        "{text}"
    );
    assert!(!text.contains("dapr_http_server_response_count{"), "{text}");
}

#[test]
fn paths_count_by_the_patterns_that_they_match_and_others_as_before() {
    for (increased_cardinality, other) in [(true, "/orders"), (false, "")] {
        let settings = MetricsSettings {
            http: HttpMetrics {
                increased_cardinality,
                path_matching: vec!["/orders/{id}".into()],
                ..HttpMetrics::default()
            },
            ..MetricsSettings::default()
        };
        let telemetry = Telemetry::new("shop", "", &settings);
        for path in ["/orders/1", "/orders/2", "/orders"] {
            telemetry.http(&call(path));
        }
        let text = telemetry.text();
        for (path, count) in [("/orders/{id}", 2), (other, 1)] {
            let line = format!(
                "dapr_http_server_request_count{{app_id=\"shop\",method=\"GET\",path=\"{path}\",\
                 status=\"200\"}} {count}"
            );
            assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
        }
    }
}

#[test]
fn what_the_application_is_asked_is_measured_and_checks_of_its_health_apart() {
    let telemetry = Telemetry::new("shop", "", &MetricsSettings::default());
    let took = Duration::from_millis(2);
    let (method, path, status) = ("POST", "/orders", "200");
    telemetry.app_http(&AppHttpCall { method, path, status, took, sent: 3, received: 5 });
    telemetry.app_http_probe("500", took);
    let method = "/dapr.proto.runtime.v1.AppCallback/OnTopicEvent";
    let status = "Unavailable";
    telemetry.app_grpc(&GrpcCall { method, status, took, sizes: Some((0, 7)) });
    telemetry.app_grpc_probe("OK", took);
    let text = telemetry.text();
    for line in [
        r#"dapr_http_client_sent_bytes_sum{app_id="shop",method="POST",path="/orders",status=""} 3"#,
        r#"dapr_http_client_received_bytes_sum{app_id="shop"} 5"#,
        r#"dapr_http_client_roundtrip_latency_sum{app_id="shop",method="POST",path="/orders",status="200"} 2"#,
        r#"dapr_http_client_completed_count{app_id="shop",method="POST",path="/orders",status="200"} 1"#,
        r#"dapr_http_healthprobes_completed_count{app_id="shop",status="500"} 1"#,
        r#"dapr_http_healthprobes_roundtrip_latency_sum{app_id="shop",status="500"} 2"#,
        r#"dapr_grpc_io_client_sent_bytes_per_rpc_sum{app_id="shop",grpc_client_method="/dapr.proto.runtime.v1.AppCallback/OnTopicEvent"} 7"#,
        r#"dapr_grpc_io_client_received_bytes_per_rpc_sum{app_id="shop",grpc_client_method="/dapr.proto.runtime.v1.AppCallback/OnTopicEvent"} 0"#,
        r#"dapr_grpc_io_client_completed_rpcs{app_id="shop",grpc_client_method="/dapr.proto.runtime.v1.AppCallback/OnTopicEvent",grpc_client_status="Unavailable"} 1"#,
        r#"dapr_grpc_io_client_roundtrip_latency_sum{app_id="shop",grpc_client_method="/dapr.proto.runtime.v1.AppCallback/OnTopicEvent",grpc_client_status="Unavailable"} 2"#,
        r#"dapr_grpc_io_healthprobes_completed_count{app_id="shop",grpc_client_status="OK"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
}

#[test]
fn rules_change_the_labels_of_the_metric_that_they_name() {
    let rule = |name: &str, label: &str, to: &str, expression: &str| MetricsRule {
        name: name.into(),
        labels: vec![(label.into(), vec![(to.into(), expression.into())])],
    };
    let settings = MetricsSettings {
        rules: vec![
            rule("dapr_http_server_request_count", "path", "/orders/$1", "/orders/(.).*"),
            rule("http/server/request_count", "app_id", "store", "^shop$"),
            rule("grpc.io_server_completed_rpcs", "grpc_server_method", "$1", ".*/(.+)"),
            rule("dapr_http_server_latency", "path", "", "("),
        ],
        ..MetricsSettings::default()
    };
    let telemetry = Telemetry::new("shop", "", &settings);
    telemetry.http(&call("/orders/17"));
    telemetry.http(&call("/orders/18"));
    let method = "/dapr.proto.runtime.v1.Dapr/GetState";
    let took = Duration::ZERO;
    telemetry.grpc(&GrpcCall { method, status: "OK", took, sizes: None });
    let text = telemetry.text();
    for line in [
        r#"dapr_http_server_request_count{app_id="store",method="GET",path="/orders/1",status="200"} 2"#,
        r#"dapr_http_server_response_count{app_id="shop",method="GET",path="/orders/17",status="200"} 1"#,
        r#"dapr_http_server_latency_count{app_id="shop",method="GET",path="/orders/17",status="200"} 1"#,
        r#"dapr_grpc_io_server_completed_rpcs{app_id="shop",grpc_server_method="GetState",grpc_server_status="OK"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
}

#[test]
fn names_without_end_are_counted_apart_up_to_a_bound_that_rules_come_before() {
    let path = (String::from("path"), vec![("/orders/ID".into(), "/orders/.+".into())]);
    let settings = MetricsSettings {
        rules: vec![MetricsRule { name: "http_server_request_count".into(), labels: vec![path] }],
        ..MetricsSettings::default()
    };
    let telemetry = Telemetry::new("shop", "", &settings);
    for at in 0..10_001 {
        telemetry.http(&call(&format!("/orders/{at}")));
        telemetry.output_binding("mail", &at.to_string(), Duration::ZERO, false);
    }
    telemetry.http(&call("/other"));
    let text = telemetry.text();
    for line in [
        r#"dapr_http_server_request_count{app_id="shop",method="GET",path="/orders/ID",status="200"} 10001"#,
        r#"dapr_http_server_request_count{app_id="shop",method="GET",path="/other",status="200"} 1"#,
        r#"dapr_http_server_response_count{app_id="shop",method="GET",path="/orders/9999",status="200"} 1"#,
        r#"dapr_http_server_response_count{app_id="shop",method="GET",path="",status="200"} 2"#,
        r#"dapr_component_output_binding_count{app_id="shop",component="",namespace="",operation="",success="false"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not there");
    }
    assert!(!text.contains(r#"path="/orders/10000""#));
}

#[test]
fn what_cannot_be_a_label_in_dapr_is_counted_without_one_alone() {
    let telemetry = Telemetry::new("shop", "", &MetricsSettings::default());
    for path in ["/v1.0/publish/bus/%C3%BC", &"/l".repeat(128), "/%00"] {
        telemetry.http(&call(path));
    }
    telemetry.egress("bus", "\u{fc}", false, Duration::ZERO, true);
    let text = telemetry.text();
    assert!(!text.contains("path="), "{text}");
    assert!(!text.contains("egress_count{"), "{text}");
    assert!(text.contains("dapr_http_server_request_bytes_count{app_id=\"shop\"} 3"), "{text}");
}

#[test]
fn both_sides_of_bindings_are_counted() {
    let telemetry = Telemetry::new("shop", "", &MetricsSettings::default());
    telemetry.input_binding("clock", Duration::from_millis(2), true);
    telemetry.output_binding("mail", "create", Duration::ZERO, false);
    let text = telemetry.text();
    for line in [
        r#"dapr_component_input_binding_count{app_id="shop",component="clock",namespace="",success="true"} 1"#,
        r#"dapr_component_input_binding_latencies_sum{app_id="shop",component="clock",namespace="",success="true"} 2"#,
        r#"dapr_component_output_binding_count{app_id="shop",component="mail",namespace="",operation="create",success="false"} 1"#,
    ] {
        assert!(text.lines().any(|shown| shown == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("output_binding_latencies_sum{"), "{text}");
}
