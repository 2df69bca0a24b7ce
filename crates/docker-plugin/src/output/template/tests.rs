//! What docker 28 prints for the same templates, put down here so that no docker is needed.

use serde_json::json;

use super::*;

/// An object such as docker formats.
fn object() -> Json {
    json!({
        "Name": "default", "Size": 8224, "Used": false, "None": null,
        "Ports": [5000, 6000], "Words": ["a b", "c"], "Labels": {"k": "v", "a": "<&>"},
        "Parts": [{"ID": "x", "Sub": ["1", "2"]}, {"ID": "y", "Sub": []}],
    })
}

#[track_caller]
fn renders(source: &str, wanted: &str) {
    let rendered = Template::new(source).and_then(|template| template.render(&object()));
    assert_eq!(rendered.as_deref(), Ok(wanted), "{source}");
}

#[test]
fn functions_give_what_dockers_give() {
    for (source, wanted) in [
        ("{{json .Name}}", "\"default\""),
        ("{{json .Labels}}", r#"{"a":"<&>","k":"v"}"#),
        ("{{.Labels | json}}", r#"{"a":"<&>","k":"v"}"#),
        ("{{split .Name \"a\"}}", "[def ult]"),
        ("{{split \"ab\" \"\"}}", "[a b]"),
        ("{{join .Words \", \"}}", "a b, c"),
        ("{{join .Ports \"-\"}}", "5000-6000"),
        ("{{join (split .Name \"f\") \"/\"}}", "de/ault"),
        ("{{title \"ab cd_ef-gh 1x\"}}", "Ab Cd_ef-Gh 1x"),
        ("{{lower \"ÄB\"}}", "äb"),
        ("{{upper .Name}}", "DEFAULT"),
        ("{{pad .Name 2 1}}|{{pad \"\" 2 1}}|", "  default ||"),
        ("{{truncate .Name 3}}|{{truncate .Name 30}}|{{truncate \"äö\" 3}}", "def|default|ä"),
        ("{{len .Ports}} {{len .Name}}", "2 7"),
        ("{{index .Ports 1}} {{index .Labels \"k\"}}", "6000 v"),
        ("{{printf \"%-9s|%5d|%v|%q\" .Name .Size .Used .Name}}", "default  | 8224|false|\"default\""),
        ("{{println .Name .Size}}", "default 8224\n"),
        ("{{print .Size .Used}}", "8224 false"),
        ("{{slice .Name 1 3}}", "ef"),
        ("{{if eq .Name \"default\"}}y{{end}}{{if ne .Size 1}}y{{end}}", "yy"),
        ("{{and .Name .Used}} {{or .Used .Size}} {{not .Used}}", "false 8224 true"),
        ("{{lt .Size 9000}} {{le 1 1}} {{gt .Size 9000}} {{ge 2 1}}", "true true false true"),
    ] {
        renders(source, wanted);
    }
}

#[test]
fn the_language_is_gos() {
    for (source, wanted) in [
        ("plain", "plain"),
        ("{{.Name}}", "default"),
        ("{{.Ports}} {{.Labels}}", "[5000 6000] map[a:<&> k:v]"),
        ("a {{- .Name -}} b", "adefaultb"),
        ("{{/* nothing */}}x", "x"),
        ("{{$x := .Size}}{{$x}}{{$x = 1}} {{$x}}", "8224 1"),
        ("{{range .Parts}}{{.ID}}:{{range .Sub}}{{.}},{{else}}-{{end}} {{end}}", "x:1,2, y:- "),
        ("{{range $i, $p := .Ports}}{{$i}}={{$p}} {{end}}", "0=5000 1=6000 "),
        ("{{range $k, $v := .Labels}}{{$k}}{{$v}} {{end}}", "a<&> kv "),
        ("{{range .Parts}}{{.ID}}{{$.Name}} {{end}}", "xdefault ydefault "),
        ("{{if .Used}}a{{else if .Name}}b{{else}}c{{end}}", "b"),
        ("{{with .Labels}}{{.k}}{{end}}{{with .None}}x{{else}}none{{end}}", "vnone"),
        ("{{define \"t\"}}<{{.}}>{{end}}{{template \"t\" .Name}}", "<default>"),
        ("{{ .Name | upper | printf \"%s!\" }}", "DEFAULT!"),
        ("{{.None}}", "<no value>"),
    ] {
        renders(source, wanted);
    }
}

#[test]
fn the_object_itself_is_the_whole_one() {
    let (shown, whole) = (json!({"Size": "1kB"}), json!({"Size": 1000}));
    let row = |source: &str| Template::new(source).unwrap().row(&shown, &whole).unwrap();
    assert_eq!(row("{{json .}} {{json .Size}} {{.Size}}"), r#"{"Size":1000} "1kB" 1kB"#);
    assert_eq!(row("{{with .Size}}{{json $}}{{end}}"), r#"{"Size":1000}"#);
}

#[test]
fn what_cannot_be_understood_is_told_as_go_tells_it() {
    for (source, wanted) in [
        ("{{", "template: :1: unclosed action"),
        ("a\n{{foo .X}}", "template: :2: function \"foo\" not defined"),
        ("{{range .Ports}}{{bar}}{{end}}", "template: :1: function \"bar\" not defined"),
        ("{{if .X}}", "template: :1: unexpected EOF"),
        ("{{end}}", "template: :1: unexpected {{end}}"),
    ] {
        let error = Template::new(source).unwrap_err();
        assert_eq!(error.to_string(), wanted, "{source}");
    }
}

#[test]
fn a_field_that_is_not_there_is_named_with_its_place() {
    for (source, wanted) in [
        ("{{.X}}", "template: :1:2: executing \"\" at <.X>: can't evaluate field X"),
        ("{{json .}} {{.Nope.X}}", "template: :1:18: executing \"\" at <.Nope.X>: can't evaluate field Nope"),
        ("a\n {{$.X}}", "template: :2:4: executing \"\" at <$.X>: can't evaluate field X"),
        (
            "{{range .Parts}}{{upper .Nope}}{{end}}",
            "template: :1:24: executing \"\" at <.Nope>: can't evaluate field Nope",
        ),
        ("{{upper .Size}}", "template: executing \"\": wrong type for value; expected string; got uint"),
        ("{{truncate .Name}}", "template: executing \"\": wrong number of args for truncate: want 2 got 1"),
        ("{{pad .Name -1 1}}", "template: executing \"\": \"-1\" is not a number of characters"),
    ] {
        let error = Template::new(source).unwrap().render(&object()).unwrap_err();
        assert_eq!(error.to_string(), wanted, "{source}");
    }
}

const COLUMNS: [(&str, &str); 3] = [("Name", "NAME"), ("Used", "CURRENT"), ("Url", "DOCKER ENDPOINT")];

#[track_caller]
fn lists(format: &str, wanted: &str) {
    let row = |name: &str, url: &str| {
        let row = json!({"Name": name, "Used": true, "Url": url});
        (row.clone(), row)
    };
    let rows = [row("default", "unix:///s"), row("a-much-longer-name", "")];
    let rendered = ListTemplate::new(format).and_then(|template| template.render(&COLUMNS, &rows));
    assert_eq!(rendered.as_deref(), Ok(wanted), "{format}");
}

#[test]
fn lists_are_printed_as_docker_prints_them() {
    lists("{{.Name}}\\t{{.Used}}", "default\ttrue\na-much-longer-name\ttrue\n");
    lists(
        "table {{.Name}}\\t{{.Used}}\\t{{.Url}}",
        "NAME                 CURRENT   DOCKER ENDPOINT\n\
         default              true      unix:///s\n\
         a-much-longer-name   true      \n",
    );
    lists("table {{.Name}}|{{upper .Url}}", "NAME|DOCKER ENDPOINT\ndefault|UNIX:///S\na-much-longer-name|\n");
    lists("table {{truncate .Name 3}}\t{{.Used}}", "NAME      CURRENT\ndef       true\na-m       true\n");
    lists("table {{if .Used}}{{.Name}}{{end}}", "NAME\ndefault\na-much-longer-name\n");
}
