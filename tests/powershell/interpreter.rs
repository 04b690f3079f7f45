//! As much PowerShell as our scripts are written in, run from their parsed syntax tree.
//!
//! PowerShell itself does not run where these tests do. What this does not know stops it; what it knows follows
//! PowerShell 5.1: variables are looked up through the callers' scopes, a function gives back all that it wrote,
//! and a pipeline takes lists apart.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use openssl::hash::MessageDigest;
use openssl::x509::X509;
use regex::{Regex, RegexBuilder};
use serde_json::Map;
use tree_sitter::{Node, Parser, Tree};

/// What a script can do to the world.
pub trait Microsoft {
    /// `Connect-MgGraph`; the account that is signed in.
    fn connect(&mut self, environment: &str, scopes: &[String]) -> String;

    /// `Invoke-MgGraphRequest`: the status, the seconds of `Retry-After`, and the body.
    fn request(
        &mut self,
        method: &str,
        uri: &str,
        content_type: Option<&str>,
        body: Option<String>,
    ) -> (u16, Option<u64>, String);
}

/// The machine at which the script is pasted; it stays when a script ends.
#[derive(Clone, Default)]
pub struct Machine {
    /// Files of the home directory by their paths.
    pub files: BTreeMap<String, String>,
    /// Variables that somebody has set in the window.
    pub variables: HashMap<String, String>,
    /// How many files have been named by the time.
    clock: u64,
}

/// How a script ended.
#[derive(Debug)]
pub struct Run {
    /// What it showed by `Write-Host`, line by line.
    pub said: Vec<String>,
    /// What it gave back.
    pub output: Vec<String>,
    /// Why it stopped, if it did.
    pub stopped: Option<String>,
    /// How many seconds it waited in all.
    pub waited: u64,
}

/// Runs a script to its end.
pub fn run(script: &str, machine: &mut Machine, microsoft: &mut dyn Microsoft) -> Run {
    let tree = parse(script);
    let mut shell = Shell {
        script,
        machine,
        microsoft,
        scopes: vec![HashMap::new()],
        functions: HashMap::new(),
        handling: Vec::new(),
        account: String::new(),
        granted: Vec::new(),
        said: Vec::new(),
        waited: 0,
    };
    let mut output = Vec::new();
    let ended = shell.statements(tree.root_node(), &mut output);
    let stopped = match ended {
        Ok(()) | Err(Flow::Return) => None,
        Err(Flow::Throw(failure)) => Some(failure.member("Exception").member("Message").text()),
        Err(Flow::Break | Flow::Continue) => panic!("a loop is left that was not entered"),
    };
    Run {
        said: shell.said,
        output: output.iter().map(Value::text).collect(),
        stopped,
        waited: shell.waited,
    }
}

fn parse(script: &str) -> Tree {
    thread_local! {
        static PARSED: RefCell<HashMap<String, Tree>> = RefCell::default();
    }
    if let Some(tree) = PARSED.with_borrow(|parsed| parsed.get(script).cloned()) {
        return tree;
    }
    let mut parser = Parser::new();
    parser
        .set_language(&tree_sitter_powershell::LANGUAGE.into())
        .expect("the grammar fits the library");
    let tree = parser
        .parse(script, None)
        .expect("a parser with a language answers");
    assert!(!tree.root_node().has_error(), "this is no PowerShell");
    PARSED.with_borrow_mut(|parsed| parsed.insert(script.to_owned(), tree.clone()));
    tree
}

#[derive(Clone)]
enum Value<'t> {
    Null,
    Bool(bool),
    Int(i64),
    Text(String),
    List(Rc<RefCell<Vec<Value<'t>>>>),
    Table(Rc<RefCell<Table<'t>>>),
    Block(Node<'t>),
    Type(String),
}

/// A hash table or an object: names in their order, which are compared without case unless it says so.
#[derive(Clone, Default)]
struct Table<'t> {
    entries: Vec<(String, Value<'t>)>,
    places: HashMap<String, usize>,
    case_counts: bool,
    /// An object: a single thing, whose `Count` is 1.
    is_object: bool,
}

enum Flow<'t> {
    Throw(Value<'t>),
    Return,
    Break,
    Continue,
}

type Done<'t, T = ()> = Result<T, Flow<'t>>;

impl<'t> Table<'t> {
    fn place(&self, name: &str) -> String {
        if self.case_counts {
            name.to_owned()
        } else {
            name.to_lowercase()
        }
    }

    fn get(&self, name: &str) -> Option<Value<'t>> {
        let place = self.places.get(&self.place(name))?;
        Some(self.entries[*place].1.clone())
    }

    fn set(&mut self, name: &str, value: Value<'t>) {
        let place = self.place(name);
        if let Some(&place) = self.places.get(&place) {
            self.entries[place].1 = value;
        } else {
            self.places.insert(place, self.entries.len());
            self.entries.push((name.to_owned(), value));
        }
    }
}

impl<'t> Value<'t> {
    fn list(values: Vec<Self>) -> Self {
        Self::List(Rc::new(RefCell::new(values)))
    }

    fn table(table: Table<'t>) -> Self {
        Self::Table(Rc::new(RefCell::new(table)))
    }

    fn object(entries: impl IntoIterator<Item = (&'static str, Self)>) -> Self {
        let mut table = Table {
            is_object: true,
            ..Table::default()
        };
        for (name, value) in entries {
            table.set(name, value);
        }
        Self::table(table)
    }

    /// What several outputs are as one value.
    fn collected(mut values: Vec<Self>) -> Self {
        match values.len() {
            0 => Self::Null,
            1 => values.remove(0),
            _ => Self::list(values),
        }
    }

    /// What a pipeline makes of it.
    fn enumerated(self) -> Vec<Self> {
        match self {
            Self::List(list) => list.borrow().clone(),
            value => vec![value],
        }
    }

    fn is_true(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Text(text) => !text.is_empty(),
            Self::List(list) => match list.borrow().as_slice() {
                [] => false,
                [one] => one.is_true(),
                _ => true,
            },
            Self::Table(_) | Self::Block(_) | Self::Type(_) => true,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Null => String::new(),
            Self::Bool(true) => "True".into(),
            Self::Bool(false) => "False".into(),
            Self::Int(value) => value.to_string(),
            Self::Text(text) | Self::Type(text) => text.clone(),
            Self::List(list) => {
                let texts: Vec<_> = list.borrow().iter().map(Self::text).collect();
                texts.join(" ")
            }
            Self::Table(_) => "System.Collections.Hashtable".into(),
            Self::Block(_) => panic!("a block has no text here"),
        }
    }

    fn int(&self) -> i64 {
        match self {
            Self::Null => 0,
            Self::Bool(value) => i64::from(*value),
            Self::Int(value) => *value,
            other => {
                let text = other.text();
                text.parse()
                    .unwrap_or_else(|_| panic!("{text:?} is no number"))
            }
        }
    }

    fn member(&self, name: &str) -> Self {
        match self {
            Self::Null if name.eq_ignore_ascii_case("count") => Self::Int(0),
            Self::Text(text) if name.eq_ignore_ascii_case("length") => {
                Self::Int(count(text.chars().count()))
            }
            Self::List(list) if name.eq_ignore_ascii_case("count") => {
                Self::Int(count(list.borrow().len()))
            }
            Self::Table(table) => {
                let table = table.borrow();
                let properties = || match name.to_lowercase().as_str() {
                    "count" if table.is_object => Some(Self::Int(1)),
                    "count" => Some(Self::Int(count(table.entries.len()))),
                    "keys" if !table.is_object => {
                        let names = table
                            .entries
                            .iter()
                            .map(|(name, _)| Self::Text(name.clone()));
                        Some(Self::list(names.collect()))
                    }
                    "values" if !table.is_object => {
                        let values = table.entries.iter().map(|(_, value)| value.clone());
                        Some(Self::list(values.collect()))
                    }
                    _ => None,
                };
                table.get(name).or_else(properties).unwrap_or(Self::Null)
            }
            Self::Bool(_) | Self::Int(_) | Self::Text(_) if name.eq_ignore_ascii_case("count") => {
                Self::Int(1)
            }
            // `.Version` of a module and the like are texts here.
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Text(_) => Self::Null,
            _ => panic!("no member {name} is known here"),
        }
    }

    fn from_json(json: &serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => {
                Self::Int(number.as_i64().expect("a whole number"))
            }
            serde_json::Value::String(text) => Self::Text(text.clone()),
            serde_json::Value::Array(list) => {
                Self::list(list.iter().map(Self::from_json).collect())
            }
            serde_json::Value::Object(object) => {
                let mut table = Table {
                    is_object: true,
                    ..Table::default()
                };
                for (name, value) in object {
                    table.set(name, Self::from_json(value));
                }
                Self::table(table)
            }
        }
    }

    fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Text(text) => text.clone().into(),
            Self::List(list) => list.borrow().iter().map(Self::json).collect(),
            Self::Table(table) => {
                let mut object = Map::new();
                for (name, value) in &table.borrow().entries {
                    object.insert(name.clone(), value.json());
                }
                object.into()
            }
            Self::Block(_) | Self::Type(_) => panic!("that is not for JSON"),
        }
    }

    /// `-eq`, which makes the right one what the left one is.
    fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, other) => matches!(other, Self::Null),
            (_, Self::Null) => false,
            (Self::Bool(one), other) => *one == other.is_true(),
            (Self::Int(one), other) => *one == other.int(),
            (Self::Text(one), other) => one.to_lowercase() == other.text().to_lowercase(),
            _ => panic!("these are not compared here"),
        }
    }
}

struct Shell<'t, 'm> {
    script: &'t str,
    machine: &'m mut Machine,
    microsoft: &'m mut dyn Microsoft,
    scopes: Vec<HashMap<String, Value<'t>>>,
    functions: HashMap<String, Node<'t>>,
    /// The failures whose `catch` blocks run.
    handling: Vec<Value<'t>>,
    account: String,
    granted: Vec<String>,
    said: Vec<String>,
    waited: u64,
}

/// A command's parameters by name, and its other arguments.
#[derive(Default)]
struct Arguments<'t> {
    named: HashMap<String, Value<'t>>,
    others: Vec<Value<'t>>,
}

impl<'t> Arguments<'t> {
    fn get(&self, name: &str) -> Option<&Value<'t>> {
        self.named.get(&name.to_lowercase())
    }

    fn text(&self, name: &str) -> String {
        self.get(name)
            .unwrap_or_else(|| panic!("-{name} is missing"))
            .text()
    }
}

/// Parameters that take no value.
const SWITCHES: [&str; 7] = [
    "raw",
    "listavailable",
    "compress",
    "noclobber",
    "valueonly",
    "all",
    "off",
];

impl<'t> Shell<'t, '_> {
    fn source(&self, node: Node<'t>) -> &'t str {
        &self.script[node.byte_range()]
    }

    // Statements

    fn statements(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        for child in children(node) {
            match child.kind() {
                "statement_list" | "script_block" | "script_block_body" => {
                    self.statements(child, out)?;
                }
                "{" | "}" | "comment" | "empty_statement" | ";" | "$(" | "@(" | ")" => {}
                _ => self.statement(child, out)?,
            }
        }
        Ok(())
    }

    fn statement(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        match node.kind() {
            "pipeline" => self.pipeline(node, out),
            "if_statement" => self.choose(node, out),
            "foreach_statement" => self.for_each(node, out),
            "for_statement" => self.count_up(node, out),
            "while_statement" => {
                let condition = field(node, "condition");
                let block = child_of_kind(node, "statement_block");
                while self.value(condition)?.is_true() {
                    if !self.turn(block, out)? {
                        break;
                    }
                }
                Ok(())
            }
            "try_statement" => self.attempt(node, out),
            "function_statement" => {
                let name = self.source(child_of_kind(node, "function_name"));
                self.functions.insert(name.to_lowercase(), node);
                Ok(())
            }
            "flow_control_statement" => self.leave(node, out),
            kind => panic!("{kind} is not known here: {}", self.source(node)),
        }
    }

    fn choose(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        let mut clauses = vec![node];
        if let Some(more) = node.child_by_field_name("elseif_clauses") {
            clauses.extend(children(more));
        }
        for clause in clauses {
            if self.value(field(clause, "condition"))?.is_true() {
                return self.statements(child_of_kind(clause, "statement_block"), out);
            }
        }
        match node.child_by_field_name("else_clause") {
            Some(clause) => self.statements(child_of_kind(clause, "statement_block"), out),
            None => Ok(()),
        }
    }

    /// One turn of a loop; whether another may follow.
    fn turn(&mut self, block: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t, bool> {
        match self.statements(block, out) {
            Ok(()) | Err(Flow::Continue) => Ok(true),
            Err(Flow::Break) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn for_each(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        let name = self.source(child_of_kind(node, "variable"));
        let values = match self.value(child_of_kind(node, "pipeline"))? {
            Value::Null => Vec::new(),
            values => values.enumerated(),
        };
        for value in values {
            self.set(name, value);
            if !self.turn(child_of_kind(node, "statement_block"), out)? {
                break;
            }
        }
        Ok(())
    }

    fn count_up(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        let mut ignored = Vec::new();
        let part = |name| only_child(field(node, name));
        self.pipeline(part("for_initializer"), &mut ignored)?;
        while self.value(part("for_condition"))?.is_true() {
            if !self.turn(child_of_kind(node, "statement_block"), out)? {
                break;
            }
            self.pipeline(part("for_iterator"), &mut ignored)?;
        }
        Ok(())
    }

    fn attempt(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        let depth = self.scopes.len();
        match self.statements(child_of_kind(node, "statement_block"), out) {
            Err(Flow::Throw(failure)) => {
                self.scopes.truncate(depth);
                let clauses = child_of_kind(node, "catch_clauses");
                let clause = child_of_kind(clauses, "catch_clause");
                let before = self.lookup("$_");
                self.set("$_", failure.clone());
                self.handling.push(failure);
                let ended = self.statements(child_of_kind(clause, "statement_block"), out);
                self.handling.pop();
                self.set("$_", before);
                ended
            }
            other => other,
        }
    }

    fn leave(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        let value = children(node).find(|child| child.kind() == "pipeline");
        let word = self.source(node).split_whitespace().next();
        match word.expect("it says how").to_lowercase().as_str() {
            "break" => Err(Flow::Break),
            "continue" => Err(Flow::Continue),
            "return" => {
                if let Some(value) = value {
                    self.pipeline(value, out)?;
                }
                Err(Flow::Return)
            }
            "throw" => Err(match value {
                None => Flow::Throw(self.handling.last().expect("a failure is handled").clone()),
                Some(value) => match self.value(value)? {
                    Value::Text(message) => failure(&message, "", None),
                    record => Flow::Throw(record),
                },
            }),
            word => panic!("{word} is not known here"),
        }
    }

    // Pipelines

    fn pipeline(&mut self, node: Node<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        let child = only_child(node);
        if child.kind() == "assignment_expression" {
            return self.assign(child);
        }
        let stages: Vec<_> = children(child)
            .filter(|stage| stage.kind() != "|")
            .collect();
        if let [one] = stages.as_slice()
            && one.kind() != "command"
        {
            // `$i++` as a statement gives nothing back.
            let is_step = innermost(*one).kind() == "post_increment_expression";
            let value = self.eval(*one)?;
            if !is_step {
                out.extend(value.enumerated());
            }
            return Ok(());
        }
        let mut values = Vec::new();
        for (number, stage) in stages.into_iter().enumerate() {
            let input = std::mem::take(&mut values);
            if stage.kind() == "command" {
                let input = (number > 0).then_some(input);
                self.command(stage, input, &mut values)?;
            } else {
                values = self.eval(stage)?.enumerated();
            }
        }
        out.extend(values);
        Ok(())
    }

    /// A statement as a value: a list stays one unless a command has taken it apart.
    fn value(&mut self, node: Node<'t>) -> Done<'t, Value<'t>> {
        if node.kind() != "pipeline" {
            return match node.kind() {
                "while_condition" => self.value(only_child(node)),
                kind => panic!("{kind} is no value here"),
            };
        }
        let chain = only_child(node);
        let stages: Vec<_> = children(chain).collect();
        if chain.kind() == "pipeline_chain"
            && let [one] = stages.as_slice()
            && one.kind() != "command"
        {
            return self.eval(*one);
        }
        let mut out = Vec::new();
        self.pipeline(node, &mut out)?;
        Ok(Value::collected(out))
    }

    fn assign(&mut self, node: Node<'t>) -> Done<'t> {
        let target = innermost(child_of_kind(node, "left_assignment_expression"));
        let mut value = self.value(field(node, "value"))?;
        match self.source(child_of_kind(node, "assignement_operator")) {
            "=" => {}
            "+=" => {
                let former = self.eval(target)?;
                value = match former {
                    Value::List(list) => {
                        let mut values = list.borrow().clone();
                        values.extend(value.enumerated());
                        Value::list(values)
                    }
                    Value::Text(text) => Value::Text(text + &value.text()),
                    Value::Int(number) => Value::Int(number + value.int()),
                    _ => panic!("nothing is added to {}", self.source(target)),
                };
            }
            other => panic!("{other} is not known here"),
        }
        self.store(target, value)
    }

    fn store(&mut self, target: Node<'t>, value: Value<'t>) -> Done<'t> {
        let (table, name) = match target.kind() {
            "variable" => {
                self.set(self.source(target), value);
                return Ok(());
            }
            "member_access" => {
                let (base, name) = base_and_member(target);
                (self.eval(base)?, self.member_name(name)?)
            }
            "element_access" => {
                let (base, index) = base_and_index(target);
                (self.eval(base)?, self.eval(index)?.text())
            }
            kind => panic!("nothing is stored in {kind}"),
        };
        let Value::Table(table) = table else {
            panic!("{} is no table", self.source(target))
        };
        table.borrow_mut().set(&name, value);
        Ok(())
    }

    fn set(&mut self, variable: &str, value: Value<'t>) {
        let scope = self.scopes.last_mut().expect("there is always one");
        scope.insert(bare(variable), value);
    }

    fn lookup(&self, variable: &str) -> Value<'t> {
        match bare(variable).as_str() {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            "home" => Value::Text(HOME.into()),
            name => {
                let found = self.scopes.iter().rev().find_map(|scope| scope.get(name));
                let in_window = || Some(Value::Text(self.machine.variables.get(name)?.clone()));
                found.cloned().or_else(in_window).unwrap_or(Value::Null)
            }
        }
    }

    // Expressions

    fn eval(&mut self, node: Node<'t>) -> Done<'t, Value<'t>> {
        let node = innermost(node);
        let parts: Vec<_> = children(node).collect();
        let kind = node.kind();
        Ok(match kind {
            "variable" => self.lookup(self.source(node)),
            "decimal_integer_literal" => {
                Value::Int(self.source(node).parse().expect("it is a number"))
            }
            "verbatim_string_characters" => Value::Text(verbatim(self.source(node))),
            "expandable_string_literal" => Value::Text(self.expand(node)?),
            "parenthesized_expression" => self.value(parts[1])?,
            "sub_expression" => {
                let mut out = Vec::new();
                self.statements(node, &mut out)?;
                Value::collected(out)
            }
            "array_expression" => {
                let mut out = Vec::new();
                self.statements(node, &mut out)?;
                Value::list(out)
            }
            "script_block_expression" => Value::Block(node),
            "hash_literal_expression" => self.table(node)?,
            "type_literal" => Value::Type(self.source(node).trim_matches(['[', ']']).into()),
            "array_literal_expression" => {
                let mut values = Vec::new();
                for part in parts.into_iter().filter(|part| part.kind() != ",") {
                    values.push(self.eval(part)?);
                }
                Value::list(values)
            }
            "expression_with_unary_operator" => {
                let value = self.eval(parts[1])?;
                match self.source(parts[0]) {
                    "-not" => Value::Bool(!value.is_true()),
                    "-" => Value::Int(-value.int()),
                    "," => Value::list(vec![value]),
                    other => panic!("{other} is not known here"),
                }
            }
            "cast_expression" => {
                let value = self.eval(parts[1])?;
                match self.source(parts[0]) {
                    "[string]" => Value::Text(value.text()),
                    "[int]" => Value::Int(value.int()),
                    "[bool]" => Value::Bool(value.is_true()),
                    "[ordered]" => value,
                    "[pscustomobject]" => {
                        if let Value::Table(table) = &value {
                            table.borrow_mut().is_object = true;
                        }
                        value
                    }
                    other => panic!("{other} is not known here"),
                }
            }
            "post_increment_expression" => {
                let value = self.eval(parts[0])?;
                self.store(innermost(parts[0]), Value::Int(value.int() + 1))?;
                value
            }
            "member_access" => {
                let (base, name) = base_and_member(node);
                let name = self.member_name(name)?;
                match self.eval(base)? {
                    Value::Type(of) => Value::Text(format!("{of}::{name}")),
                    value => value.member(&name),
                }
            }
            "element_access" => self.element(node)?,
            "invokation_expression" => self.invoke(node)?,
            _ if parts.len() == 3 => self.binary(&parts)?,
            _ => panic!("{kind} is not known here: {}", self.source(node)),
        })
    }

    fn element(&mut self, node: Node<'t>) -> Done<'t, Value<'t>> {
        let (base, index) = base_and_index(node);
        let (base, index) = (self.eval(base)?, self.eval(index)?);
        Ok(match base {
            Value::List(list) => {
                let list = list.borrow();
                let index = match index.int() {
                    negative if negative < 0 => count(list.len()) + negative,
                    index => index,
                };
                let index = usize::try_from(index).ok();
                index
                    .and_then(|index| list.get(index).cloned())
                    .unwrap_or(Value::Null)
            }
            Value::Table(table) => table.borrow().get(&index.text()).unwrap_or(Value::Null),
            other => panic!("{} has no elements", other.text()),
        })
    }

    fn table(&mut self, node: Node<'t>) -> Done<'t, Value<'t>> {
        let mut table = Table::default();
        if let Some(body) = children(node).find(|child| child.kind() == "hash_literal_body") {
            for entry in children(body).filter(|child| child.kind() == "hash_entry") {
                let parts: Vec<_> = children(entry).collect();
                let key = innermost(parts[0]);
                let name = match key.kind() {
                    "simple_name" => self.source(key).to_owned(),
                    _ => self.eval(key)?.text(),
                };
                assert!(table.get(&name).is_none(), "{name} stands there twice");
                let value = self.value(parts[2])?;
                table.set(&name, value);
            }
        }
        Ok(Value::table(table))
    }

    fn expand(&mut self, node: Node<'t>) -> Done<'t, String> {
        let mut text = String::new();
        let mut from = node.start_byte() + 1;
        for child in children(node) {
            if !matches!(child.kind(), "variable" | "sub_expression") {
                continue;
            }
            text += &unescaped(&self.script[from..child.start_byte()]);
            text += &self.eval(child)?.text();
            from = child.end_byte();
        }
        Ok(text + &unescaped(&self.script[from..node.end_byte() - 1]))
    }

    fn member_name(&mut self, node: Node<'t>) -> Done<'t, String> {
        let name = innermost(node);
        match name.kind() {
            "simple_name" => Ok(self.source(name).to_owned()),
            _ => Ok(self.eval(name)?.text()),
        }
    }

    fn binary(&mut self, parts: &[Node<'t>]) -> Done<'t, Value<'t>> {
        let operator = self.source(parts[1]).to_lowercase();
        let left = self.eval(parts[0])?;
        match operator.as_str() {
            "-and" => {
                return Ok(Value::Bool(
                    left.is_true() && self.eval(parts[2])?.is_true(),
                ));
            }
            "-or" => {
                return Ok(Value::Bool(
                    left.is_true() || self.eval(parts[2])?.is_true(),
                ));
            }
            _ => {}
        }
        let right = self.eval(parts[2])?;
        let is_in = |list: Value<'t>, one: &Value<'t>| {
            let list = match list {
                Value::Null => Vec::new(),
                list => list.enumerated(),
            };
            list.iter().any(|other| other.equals(one))
        };
        Ok(match operator.as_str() {
            "-eq" => Value::Bool(left.equals(&right)),
            "-ne" => Value::Bool(!left.equals(&right)),
            "-gt" => Value::Bool(left.int() > right.int()),
            "-ge" => Value::Bool(left.int() >= right.int()),
            "-lt" => Value::Bool(left.int() < right.int()),
            "-le" => Value::Bool(left.int() <= right.int()),
            "-contains" => Value::Bool(is_in(left, &right)),
            "-notcontains" => Value::Bool(!is_in(left, &right)),
            "-like" => {
                let pattern = right
                    .text()
                    .split('*')
                    .map(regex::escape)
                    .collect::<Vec<_>>();
                let pattern = format!("^{}$", pattern.join(".*"));
                Value::Bool(pattern_of(&pattern).is_match(&left.text()))
            }
            "-match" => {
                let text = left.text();
                let found = pattern_of(&right.text());
                if let Some(groups) = found.captures(&text) {
                    let groups = groups.iter().map(|group| match group {
                        Some(group) => Value::Text(group.as_str().to_owned()),
                        None => Value::Null,
                    });
                    let groups = Value::list(groups.collect());
                    self.set("$Matches", groups);
                    Value::Bool(true)
                } else {
                    Value::Bool(false)
                }
            }
            "-replace" => match right {
                Value::List(list) => {
                    let list = list.borrow();
                    let replaced = pattern_of(&list[0].text())
                        .replace_all(&left.text(), list[1].text().as_str())
                        .into_owned();
                    Value::Text(replaced)
                }
                _ => panic!("-replace takes two"),
            },
            "-join" => {
                let texts: Vec<_> = match left {
                    Value::Null => Vec::new(),
                    left => left.enumerated().iter().map(Value::text).collect(),
                };
                Value::Text(texts.join(&right.text()))
            }
            "-f" => {
                let mut text = left.text();
                for (number, value) in right.enumerated().iter().enumerate() {
                    text = text.replace(&format!("{{{number}}}"), &value.text());
                }
                Value::Text(text)
            }
            "+" => match left {
                Value::Text(text) => Value::Text(text + &right.text()),
                left => Value::Int(left.int() + right.int()),
            },
            "-" => Value::Int(left.int() - right.int()),
            "%" => Value::Int(left.int() % right.int()),
            other => panic!("{other} is not known here"),
        })
    }

    fn invoke(&mut self, node: Node<'t>) -> Done<'t, Value<'t>> {
        let (base, name) = base_and_member(node);
        let name = self.member_name(name)?;
        let mut given = Vec::new();
        let list = child_of_kind(node, "argument_list");
        if let Some(list) = list.child_by_field_name("argument_expression_list") {
            for one in children(list).filter(|child| child.kind() != ",") {
                given.push(self.eval(one)?);
            }
        }
        let base = self.eval(base)?;
        let text = |number: usize| given[number].text();
        let number = |place: usize| usize::try_from(given[place].int()).expect("no less than 0");
        if let Value::Type(of) = &base {
            return match (of.as_str(), name.as_str()) {
                ("uri", "EscapeDataString") => Ok(Value::Text(percent_encoded(&text(0)))),
                ("string", "Equals") => {
                    assert_eq!(text(2), "System.StringComparison::Ordinal");
                    Ok(Value::Bool(text(0) == text(1)))
                }
                ("regex", "Escape") => Ok(Value::Text(regex::escape(&text(0)))),
                ("regex", "Unescape") => Ok(Value::Text(
                    serde_json::from_str(&format!("\"{}\"", text(0).replace('"', "\\\"")))
                        .expect("JSON and .NET agree about \\u and \\\\"),
                )),
                ("System.Convert", "FromBase64String") => {
                    match openssl::base64::decode_block(&text(0)) {
                        Ok(_) => Ok(Value::Text(text(0))),
                        Err(_) => Err(failure("The input is not a valid Base-64 string", "", None)),
                    }
                }
                other => panic!("{other:?} is not known here"),
            };
        }
        if base.text() == "DateTime::UtcNow" {
            self.machine.clock += 1;
            assert_eq!(text(0), "yyyyMMdd-HHmmss-fff");
            return Ok(Value::Text(format!(
                "20261121-0800{:02}-000",
                self.machine.clock
            )));
        }
        Ok(match (&base, name.as_str()) {
            (Value::Table(table), "ContainsKey") => {
                Value::Bool(table.borrow().get(&text(0)).is_some())
            }
            (Value::Table(table), "Clone") => Value::table(table.borrow().clone()),
            (Value::Text(base), "Split") => {
                let separator = text(0);
                let parts = base.split(&separator);
                Value::list(parts.map(|part| Value::Text(part.to_owned())).collect())
            }
            (Value::Text(base), "EndsWith") => {
                assert_eq!(text(1), "System.StringComparison::OrdinalIgnoreCase");
                Value::Bool(base.to_lowercase().ends_with(&text(0).to_lowercase()))
            }
            (Value::Text(base), "Substring") => {
                let rest = base.chars().skip(number(0));
                Value::Text(match given.len() {
                    1 => rest.collect(),
                    _ => rest.take(number(1)).collect(),
                })
            }
            (Value::Text(base), "ToLowerInvariant") => Value::Text(base.to_lowercase()),
            _ => panic!("{name} is not known here: {}", self.source(node)),
        })
    }

    // Commands

    fn command(
        &mut self,
        node: Node<'t>,
        input: Option<Vec<Value<'t>>>,
        out: &mut Vec<Value<'t>>,
    ) -> Done<'t> {
        let name = field(node, "command_name");
        let given = match node.child_by_field_name("command_elements") {
            Some(elements) => self.arguments(elements)?,
            None => Arguments::default(),
        };
        if name.kind() == "command_name_expr" {
            let Value::Block(block) = self.eval(only_child(name))? else {
                panic!("& takes a block")
            };
            return self.call(block, HashMap::new(), out);
        }
        let name = self.source(name);
        if let Some(&function) = self.functions.get(&name.to_lowercase()) {
            assert!(given.named.is_empty(), "{name} takes no names");
            let mut names = Vec::new();
            if let Some(list) = children(function)
                .find(|child| child.kind() == "function_parameter_declaration")
                .and_then(|list| children(list).find(|child| child.kind() == "parameter_list"))
            {
                names.extend(children(list).filter(|child| child.kind() == "script_parameter"));
            }
            assert!(given.others.len() <= names.len(), "{name} takes less");
            let mut values = given.others.into_iter();
            let scope = names.into_iter().map(|parameter| {
                let value = values.next().unwrap_or(Value::Null);
                (bare(self.source(parameter)), value)
            });
            let scope = scope.collect();
            return self.call(child_of_kind(function, "script_block"), scope, out);
        }
        self.cmdlet(name, &given, input, out)
    }

    fn call(
        &mut self,
        block: Node<'t>,
        scope: HashMap<String, Value<'t>>,
        out: &mut Vec<Value<'t>>,
    ) -> Done<'t> {
        self.scopes.push(scope);
        let depth = self.scopes.len();
        let ended = self.statements(block, out);
        self.scopes.truncate(depth - 1);
        match ended {
            Ok(()) | Err(Flow::Return) => Ok(()),
            other => other,
        }
    }

    fn arguments(&mut self, node: Node<'t>) -> Done<'t, Arguments<'t>> {
        let mut arguments = Arguments::default();
        let mut waiting: Option<String> = None;
        let mut last: Option<String> = None;
        for child in children(node) {
            let value = match child.kind() {
                "command_argument_sep" => continue,
                // `-Property one, other`
                "," => {
                    waiting = last.take();
                    continue;
                }
                "command_parameter" => {
                    if let Some(name) = waiting.take() {
                        panic!("-{name} has no value");
                    }
                    let name = self.source(child).trim_start_matches('-').to_lowercase();
                    if SWITCHES.contains(&name.as_str()) {
                        arguments.named.insert(name, Value::Bool(true));
                    } else {
                        waiting = Some(name);
                    }
                    continue;
                }
                "generic_token" => Value::Text(self.source(child).to_owned()),
                _ if self.source(child).starts_with('@')
                    && innermost(child).kind() == "variable" =>
                {
                    let Value::Table(table) = self.lookup(self.source(child)) else {
                        panic!("{} is no table", self.source(child))
                    };
                    for (name, value) in &table.borrow().entries {
                        arguments.named.insert(name.to_lowercase(), value.clone());
                    }
                    continue;
                }
                _ => self.eval(child)?,
            };
            match waiting.take() {
                Some(name) => {
                    let mut values = match arguments.named.remove(&name) {
                        Some(former) => former.enumerated(),
                        None => Vec::new(),
                    };
                    last = Some(name.clone());
                    let value = if values.is_empty() {
                        value
                    } else {
                        values.push(value);
                        Value::list(values)
                    };
                    arguments.named.insert(name, value);
                }
                None => arguments.others.push(value),
            }
        }
        Ok(arguments)
    }

    fn cmdlet(
        &mut self,
        name: &str,
        given: &Arguments<'t>,
        input: Option<Vec<Value<'t>>>,
        out: &mut Vec<Value<'t>>,
    ) -> Done<'t> {
        let piped = input.unwrap_or_default();
        match name {
            "Set-StrictMode" | "Import-Module" | "Out-Null" | "Out-Host" => {}
            "Write-Host" => self.said.push(given.others[0].text()),
            "Format-List" => {
                for value in piped {
                    let Value::Table(table) = value else {
                        panic!("only objects are shown")
                    };
                    for (name, value) in &table.borrow().entries {
                        self.said.push(format!("{name} : {}", value.text()));
                    }
                }
            }
            "Where-Object" | "ForEach-Object" => {
                let Value::Block(block) = given.others[0] else {
                    panic!("{name} takes a block")
                };
                let before = self.lookup("$_");
                for value in piped {
                    self.set("$_", value.clone());
                    let mut results = Vec::new();
                    self.statements(block, &mut results)?;
                    if name == "ForEach-Object" {
                        out.extend(results);
                    } else if Value::collected(results).is_true() {
                        out.push(value);
                    }
                }
                self.set("$_", before);
            }
            "Sort-Object" => {
                let by = given.text("Property");
                out.extend(piped);
                out.sort_by_key(|value| value.member(&by).text());
            }
            "ConvertTo-Json" => {
                let json = given.get("InputObject").expect("it is given").json();
                out.push(Value::Text(format!("{json:#}")));
            }
            "ConvertFrom-Json" => match serde_json::from_str(&given.text("InputObject")) {
                Ok(json) => out.push(Value::from_json(&json)),
                Err(error) => return Err(failure(&format!("Invalid JSON: {error}"), "", None)),
            },
            "Start-Sleep" => {
                let seconds = given.get("Seconds").expect("it is given").int();
                self.waited += u64::try_from(seconds).expect("no less than 0");
            }
            "New-Object" => out.push(Self::new_object(given)?),
            "Get-Variable" => {
                if let value @ Value::Text(_) = self.lookup(&given.text("Name")) {
                    out.push(value);
                }
            }
            "Get-Module" => out.push(Value::object([("Version", Value::Text("2.30.0".into()))])),
            "Join-Path" | "Out-File" | "Get-Content" | "Get-ChildItem" => {
                self.file(name, given, &piped, out)?;
            }
            _ => self.graph(name, given, out)?,
        }
        Ok(())
    }

    fn new_object(given: &Arguments<'t>) -> Done<'t, Value<'t>> {
        let argument = given.get("ArgumentList").expect("it is given").clone();
        match given.text("TypeName").as_str() {
            "System.Collections.Hashtable" => Ok(Value::table(Table {
                case_counts: argument.text() == "System.StringComparer::Ordinal",
                ..Table::default()
            })),
            "System.Security.Cryptography.X509Certificates.X509Certificate2" => {
                let der = openssl::base64::decode_block(&argument.text()).unwrap_or_default();
                let Ok(certificate) = X509::from_der(&der) else {
                    return Err(failure("Cannot find the requested object.", "", None));
                };
                let digest = certificate
                    .digest(MessageDigest::sha1())
                    .expect("SHA-1 is there");
                let thumbprint = hex(&digest);
                Ok(Value::object([("Thumbprint", Value::Text(thumbprint))]))
            }
            other => panic!("{other} is not known here"),
        }
    }

    fn file(
        &mut self,
        name: &str,
        given: &Arguments<'t>,
        piped: &[Value<'t>],
        out: &mut Vec<Value<'t>>,
    ) -> Done<'t> {
        match name {
            "Join-Path" => {
                let (path, child) = (given.text("Path"), given.text("ChildPath"));
                out.push(Value::Text(format!("{path}/{child}")));
            }
            "Out-File" => {
                let path = given.text("LiteralPath");
                let texts: Vec<_> = piped.iter().map(Value::text).collect();
                let former = self.machine.files.insert(path.clone(), texts.join("\n"));
                assert!(former.is_none(), "{path} is there already");
            }
            "Get-Content" => match self.machine.files.get(&given.text("LiteralPath")) {
                Some(text) => out.push(Value::Text(text.clone())),
                None => return Err(failure("Cannot find path", "PathNotFound", None)),
            },
            _ => {
                let pattern = regex::escape(&given.text("Filter")).replace(r"\*", ".*");
                let pattern = pattern_of(&format!("^{pattern}$"));
                for path in self.machine.files.keys() {
                    let name = path.rsplit('/').next().expect("there is always one");
                    if pattern.is_match(name) {
                        out.push(Value::object([
                            ("Name", Value::Text(name.to_owned())),
                            ("FullName", Value::Text(path.clone())),
                        ]));
                    }
                }
            }
        }
        Ok(())
    }

    fn graph(&mut self, name: &str, given: &Arguments<'t>, out: &mut Vec<Value<'t>>) -> Done<'t> {
        assert_eq!(given.text("ErrorAction"), "Stop", "{name}");
        match name {
            "Connect-MgGraph" => {
                let scopes = given.get("Scopes").expect("it is given").clone();
                self.granted = scopes.enumerated().iter().map(Value::text).collect();
                let environment = given.text("Environment");
                self.account = self.microsoft.connect(&environment, &self.granted);
            }
            "Get-MgContext" => {
                let scopes = self.granted.iter().cloned().map(Value::Text).collect();
                out.push(Value::object([
                    ("Account", Value::Text(self.account.clone())),
                    ("Scopes", Value::list(scopes)),
                ]));
            }
            "Invoke-MgGraphRequest" => {
                assert_eq!(given.text("OutputType"), "PSObject");
                let optional = |name| given.get(name).map(Value::text);
                let (method, uri) = (given.text("Method"), given.text("Uri"));
                let (body, content_type) = (optional("Body"), optional("ContentType"));
                let (status, retry_after, text) =
                    self.microsoft
                        .request(&method, &uri, content_type.as_deref(), body);
                if !(200..300).contains(&status) {
                    let response = (status, retry_after, text.as_str());
                    let message =
                        format!("Response status code does not indicate success: {status}.");
                    return Err(failure(&message, "InvokeMgGraphRequest", Some(response)));
                }
                if !text.is_empty() {
                    let json = serde_json::from_str(&text).expect("Graph answers JSON");
                    out.push(Value::from_json(&json));
                }
            }
            _ => self.generated(name, given, out)?,
        }
        Ok(())
    }

    /// The cmdlets that are generated from Graph's description, as their documentation says.
    fn generated(
        &mut self,
        name: &str,
        given: &Arguments<'t>,
        out: &mut Vec<Value<'t>>,
    ) -> Done<'t> {
        let domain = || format!("/v1.0/domains/{}", percent_encoded(&given.text("DomainId")));
        let all = || format!("{}/federationConfiguration", domain());
        let one = || format!("{}/{}", all(), given.text("InternalDomainFederationId"));
        let mut body = Map::new();
        for property in PROPERTIES {
            if let Some(value) = given.get(property) {
                assert!(!matches!(value, Value::Null), "cmdlets cannot send null");
                body.insert(property.to_owned(), value.json());
            }
        }
        let (method, mut uri) = match name {
            "Get-MgDomain" => ("GET", domain()),
            "Update-MgDomain" => ("PATCH", domain()),
            "Get-MgDomainFederationConfiguration" => ("GET", all()),
            "New-MgDomainFederationConfiguration" => ("POST", all()),
            "Update-MgDomainFederationConfiguration" => ("PATCH", one()),
            "Remove-MgDomainFederationConfiguration" => ("DELETE", one()),
            "Update-MgUser" => ("PATCH", format!("/v1.0/users/{}", given.text("UserId"))),
            "Get-MgUser" => {
                let properties = given.get("Property").expect("it is given").clone();
                let properties: Vec<_> = properties.enumerated().iter().map(Value::text).collect();
                let (select, top) = (properties.join(","), given.text("PageSize"));
                ("GET", format!("/v1.0/users?$select={select}&$top={top}"))
            }
            other => panic!("{other} is not known here"),
        };
        loop {
            let body =
                (!body.is_empty()).then(|| serde_json::Value::Object(body.clone()).to_string());
            let content_type = body.as_ref().map(|_| "application/json");
            let (status, _, text) = self.microsoft.request(method, &uri, content_type, body);
            let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if !(200..300).contains(&status) {
                let error = &json["error"];
                let code = error["code"].as_str().expect("Graph gives a code");
                let message = format!(
                    "[{code}] : {}",
                    error["message"].as_str().unwrap_or_default()
                );
                return Err(failure(
                    &message,
                    &format!("{code},Microsoft.Graph.PowerShell.Cmdlets.{name}"),
                    None,
                ));
            }
            let Some(values) = json["value"].as_array() else {
                if !json.is_null() {
                    out.push(Value::from_json(&json));
                }
                return Ok(());
            };
            out.extend(values.iter().map(Value::from_json));
            match json["@odata.nextLink"].as_str() {
                Some(next) => next.clone_into(&mut uri),
                None => return Ok(()),
            }
        }
    }
}

/// The properties that the generated cmdlets take as parameters.
const PROPERTIES: [&str; 15] = [
    "authenticationType",
    "displayName",
    "issuerUri",
    "passiveSignInUri",
    "signOutUri",
    "activeSignInUri",
    "metadataExchangeUri",
    "passwordResetUri",
    "signingCertificate",
    "nextSigningCertificate",
    "preferredAuthenticationProtocol",
    "promptLoginBehavior",
    "federatedIdpMfaBehavior",
    "isSignedAuthenticationRequestRequired",
    "onPremisesImmutableId",
];

/// Where the files are.
pub const HOME: &str = "/home/admin";

/// What `$_` is in a `catch`.
fn failure<'t>(message: &str, id: &str, response: Option<(u16, Option<u64>, &str)>) -> Flow<'t> {
    let text = |text: &str| Value::Text(text.to_owned());
    let (exception, details) = match response {
        None => (Value::object([("Message", text(message))]), Value::Null),
        Some((status, retry_after, body)) => {
            let delta = retry_after.map_or(Value::Null, |seconds| {
                let seconds = i64::try_from(seconds).expect("few seconds");
                Value::object([("TotalSeconds", Value::Int(seconds))])
            });
            let headers = Value::object([("RetryAfter", Value::object([("Delta", delta)]))]);
            let status = Value::Int(i64::from(status));
            let response = Value::object([("StatusCode", status), ("Headers", headers)]);
            (
                Value::object([("Message", text(message)), ("Response", response)]),
                Value::object([("Message", text(body))]),
            )
        }
    };
    Flow::Throw(Value::object([
        ("Exception", exception),
        ("FullyQualifiedErrorId", text(id)),
        ("ErrorDetails", details),
    ]))
}

fn children(node: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let count = u32::try_from(node.child_count()).expect("few children");
    (0..count)
        .filter_map(move |number| node.child(number))
        .filter(|child| child.kind() != "comment")
}

fn only_child(node: Node<'_>) -> Node<'_> {
    assert_eq!(node.child_count(), 1, "{} has one child", node.kind());
    node.child(0).expect("it has one")
}

fn field<'t>(node: Node<'t>, name: &str) -> Node<'t> {
    node.child_by_field_name(name)
        .unwrap_or_else(|| panic!("{} has no {name}", node.kind()))
}

fn child_of_kind<'t>(node: Node<'t>, kind: &str) -> Node<'t> {
    children(node)
        .find(|child| child.kind() == kind)
        .unwrap_or_else(|| panic!("{} has no {kind}", node.kind()))
}

/// Below the levels of precedence that have nothing to say.
fn innermost(mut node: Node<'_>) -> Node<'_> {
    // What stands between a string's quotes are no nodes.
    let stays = ["variable", "expandable_string_literal"];
    while node.child_count() == 1 && !stays.contains(&node.kind()) {
        node = node.child(0).expect("it has one");
    }
    node
}

fn base_and_member(node: Node<'_>) -> (Node<'_>, Node<'_>) {
    let base = node.child(0).expect("it has a base");
    (base, child_of_kind(node, "member_name"))
}

fn base_and_index(node: Node<'_>) -> (Node<'_>, Node<'_>) {
    let part = |number| node.child(number).expect("base[index]");
    (part(0), part(2))
}

/// A variable's name alone.
fn bare(variable: &str) -> String {
    let name = variable.trim_start_matches(['$', '@']);
    name.trim_matches(['{', '}']).to_lowercase()
}

fn verbatim(literal: &str) -> String {
    literal[1..literal.len() - 1].replace("''", "'")
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '`' => chars.next().expect("something is escaped"),
            c => c,
        });
    }
    plain
}

fn pattern_of(pattern: &str) -> Regex {
    thread_local! {
        static BUILT: RefCell<HashMap<String, Regex>> = RefCell::default();
    }
    BUILT.with_borrow_mut(|built| {
        let build = || {
            RegexBuilder::new(pattern)
                .case_insensitive(true)
                .build()
                .unwrap_or_else(|error| panic!("{error}"))
        };
        built
            .entry(pattern.to_owned())
            .or_insert_with(build)
            .clone()
    })
}

/// Upper-case hex.
pub fn hex(bytes: &[u8]) -> String {
    let digits = |byte: &u8| {
        [byte >> 4, byte & 15].map(|digit| char::from(b"0123456789ABCDEF"[usize::from(digit)]))
    };
    bytes.iter().flat_map(digits).collect()
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded += &hex(&[byte]);
        }
    }
    encoded
}

fn count(number: usize) -> i64 {
    i64::try_from(number).expect("few things")
}
