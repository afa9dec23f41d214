//! `has(a.b)` as Dapr evaluates it: what has no fields at all has none of that name. The interpreter
//! here makes that an error, and an event whose data are a text would fail a rule that asks for one
//! of their fields.

use cel::common::ast::{CallExpr, EntryExpr, Expr, ListExpr, LiteralValue, SelectExpr, operators};
use cel::parser::Expression;

/// The types of values that are asked for fields. A list is among them: to ask one for a field by
/// its name is an error, as in Dapr.
const ASKED: [&str; 2] = ["map", "list"];

/// The expression in which each `has(a.b)` is `type(a) in [map, list] ? has(a.b) : false`.
pub(super) fn lenient(mut expression: Expression) -> Expression {
    mend(&mut expression);
    expression
}

fn mend(expression: &mut Expression) {
    match &mut expression.expr {
        Expr::Call(call) => {
            call.target.iter_mut().for_each(|target| mend(target));
            call.args.iter_mut().for_each(mend);
        }
        Expr::Comprehension(comprehension) => {
            mend(&mut comprehension.iter_range);
            mend(&mut comprehension.accu_init);
            mend(&mut comprehension.loop_cond);
            mend(&mut comprehension.loop_step);
            mend(&mut comprehension.result);
        }
        Expr::List(list) => list.elements.iter_mut().for_each(mend),
        Expr::Map(map) => map.entries.iter_mut().for_each(|entry| mend_entry(&mut entry.expr)),
        Expr::Struct(of) => of.entries.iter_mut().for_each(|entry| mend_entry(&mut entry.expr)),
        Expr::Select(select) => mend(&mut select.operand),
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => {}
    }
    if let Expr::Select(select) = &expression.expr
        && select.test
    {
        *expression = guarded(select.clone());
    }
}

fn mend_entry(entry: &mut EntryExpr) {
    match entry {
        EntryExpr::StructField(field) => mend(&mut field.value),
        EntryExpr::MapEntry(entry) => {
            mend(&mut entry.key);
            mend(&mut entry.value);
        }
    }
}

fn guarded(select: SelectExpr) -> Expression {
    let of = call("type", vec![(*select.operand).clone()]);
    let asked = ASKED.iter().map(|name| made(Expr::Ident((*name).to_owned())));
    let asked = made(Expr::List(ListExpr::new(asked.collect())));
    let has_fields = call(operators::IN, vec![of, asked]);
    let none = made(Expr::Literal(LiteralValue::Boolean(false.into())));
    call(operators::CONDITIONAL, vec![has_fields, made(Expr::Select(select)), none])
}

fn call(name: &str, args: Vec<Expression>) -> Expression {
    made(Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args }))
}

/// A node that stands nowhere in the text.
fn made(expr: Expr) -> Expression {
    Expression { id: 0, expr }
}
